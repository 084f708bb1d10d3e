import type { BinaryReader } from '../../lib/binary/reader.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { textOf } from './sockets.js';
import { concatBytes, readU32 } from '../../lib/util/bytes.js';
import type { MessageHead } from '../../lib/transport/framing/encoder.js';
import { controlHead } from '../../lib/queue/control-head.js';
import {
  answerHead,
  controlType,
  decodeControl as decodeOther,
  encodeRegistered,
  nameLength,
  requestHead,
  type Control,
} from '../../lib/queue/envelope.js';
import type { QueueErrorInfo } from '../../lib/queue/types.js';

/** A whole request. */
export function encodeRequest(id: number, name: string, payload: Uint8Array): Uint8Array {
  return joined(requestHead(id, name), payload);
}

/** A whole answer. */
export function encodeAnswer(id: number, payload: Uint8Array): Uint8Array {
  return joined(answerHead(id), payload);
}

/** A request or an answer, as the router of a QueueSocket reads them. */
export type Exchange =
  | {
      readonly type: 'request';
      readonly id: number;
      readonly nameStart: number;
      readonly nameLength: number;
      readonly payload: Uint8Array;
    }
  | { readonly type: 'answer'; readonly id: number; readonly payload: Uint8Array };

/** Reads any control message. */
export function decodeControl(message: Uint8Array): Control | Exchange {
  const type = message[3];
  const exchange = type === controlType.request || type === controlType.answer;
  if (!exchange || message.length < controlHead) return decodeOther(message);
  const id = readU32(message, 4);
  if (type === controlType.answer) return { type: 'answer', id, payload: message.subarray(controlHead) };
  const length = nameLength(message, controlHead, message.length - controlHead);
  if (length < 0) return decodeOther(message);
  const payload = message.subarray(controlHead + length + 1);
  return { type: 'request', id, nameStart: controlHead, nameLength: length, payload };
}

/** A head and a payload as one message. */
export function joined({ bytes, length }: MessageHead, payload: Uint8Array): Uint8Array {
  return concatBytes([bytes.subarray(0, length), payload]);
}

/** Queue options with an `onError` that records each error. */
export class ErrorLog {
  readonly #entries: { error: unknown; info: QueueErrorInfo }[] = [];
  readonly onError = (error: unknown, info: QueueErrorInfo): void => {
    this.#entries.push({ error, info });
  };

  get entries(): readonly { readonly error: unknown; readonly info: QueueErrorInfo }[] {
    return this.#entries;
  }

  get kinds(): string[] {
    return this.#entries.map(({ info }) => `${info.kind} ${info.name}`);
  }
}

/** A registered message whose payload is text. */
export const registered = (name: string, text: string = ''): Uint8Array =>
  encodeRegistered(name, Uint8Array.from(Buffer.from(text)));

export const hex = (digits: string): Uint8Array =>
  Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

/** The rest of a payload as text. */
export const textIn = (reader: BinaryReader): string => textOf(reader.read());

/** Receives one message and decodes it as a control message. */
export async function recvControl(peer: LockedSocket): Promise<Control | Exchange> {
  return decodeControl(await peer.recv());
}
