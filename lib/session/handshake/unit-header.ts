import type { Bytes } from '../../util/bytes.js';
import { handshakeUnitLimit } from '../record/format.js';

/** The types of the handshake bodies: "Units" in docs/protocol.md. */
export const messageType = {
  keyRequest: 1,
  keyOffer: 2,
  clientHello: 3,
  serverHello: 4,
  serverFinished: 5,
  clientFinished: 6,
  alert: 15,
} as const;

/** The version of the protocol in the header. */
export const protocolImage = 1;
/** Bytes of the header. */
export const headerLength = 6;

/** The header of a handshake body. */
export function unitHeader(type: number): Bytes {
  return new Uint8Array([0x4b, 0x34, 0x4e, protocolImage, type, 0]);
}

/** The first unit of an encrypted peer: of a client, or of a server to a plain client. */
const firstTypes: readonly (number | undefined)[] = [
  messageType.keyRequest,
  messageType.clientHello,
  messageType.alert,
];

/** Whether a body is the first unit of a k4net/1 peer. */
export function isFirstUnit(body: Bytes): boolean {
  return (
    body.length <= handshakeUnitLimit &&
    firstTypes.includes(body[4]) &&
    unitHeader(body[4] ?? 0).every((byte, index) => body[index] === byte)
  );
}
