import { type Bytes, concatBytes, cutUtf8, readU16, readU32, u16Bytes, u32Bytes } from '../../util/bytes.js';
import { K4netError, type K4netErrorCode, type PeerAlert, PeerAlertError } from '../../errors.js';
import { alertNumber } from './alert-number.js';

const names = [
  'close',
  'unexpected',
  'decrypt',
  'malformed',
  'too-large',
  'unsupported',
  'unknown-server-key',
  'handshake-failed',
  'client-key-required',
  'client-key-refused',
  'busy',
  'timeout',
  'not-k4net',
  'internal',
  'application',
];

const maxText = 1024;

const alertOfCode: Partial<Record<K4netErrorCode, number>> = {
  K4NET_UNEXPECTED: alertNumber.unexpected,
  K4NET_DECRYPT: alertNumber.decrypt,
  K4NET_MALFORMED: alertNumber.malformed,
  K4NET_TOO_LARGE: alertNumber.tooLarge,
  K4NET_UNSUPPORTED: alertNumber.unsupported,
  K4NET_UNKNOWN_SERVER_KEY: alertNumber.unknownServerKey,
  K4NET_HANDSHAKE_FAILED: alertNumber.handshakeFailed,
  K4NET_CLIENT_KEY_REQUIRED: alertNumber.clientKeyRequired,
  K4NET_CLIENT_KEY_REFUSED: alertNumber.clientKeyRefused,
  K4NET_BUSY: alertNumber.busy,
  K4NET_TIMEOUT: alertNumber.timeout,
  K4NET_NOT_K4NET: alertNumber.notK4net,
  K4NET_LEGACY_PEER: alertNumber.notK4net,
  K4NET_APPLICATION: alertNumber.application,
};

const withoutAlert: readonly K4netErrorCode[] = [
  'K4NET_SERVER_AUTH',
  'K4NET_KEY_MISMATCH',
  'K4NET_PEER_CLOSED',
  'K4NET_TRUNCATED',
  'K4NET_PEER_ALERT',
  'K4NET_CONNECTION',
];

/**
 * The alert for an error; undefined if the protocol has none. A server that fails authentication
 * gets no alert, so that it learns nothing about the client's keys. An alert or an end of the peer
 * gets no alert either.
 */
export function alertFor(code: K4netErrorCode): number | undefined {
  return withoutAlert.includes(code) ? undefined : (alertOfCode[code] ?? alertNumber.internal);
}

/** The name of an alert. The library puts no other text into an alert record. */
export function alertName(alert: number): string {
  return names[alert] ?? `alert ${alert}`;
}

/** The error for an alert from the peer. */
export function peerAlert(alert: PeerAlert): PeerAlertError {
  return new PeerAlertError(alertName(alert.alert), alert);
}

/** The content of an alert record. */
export function encodeAlert(alert: number, app: number = 0, text: string = ''): Bytes {
  const words = cutUtf8(text, maxText);
  return concatBytes([Uint8Array.of(alert, 0), u32Bytes(app), u16Bytes(words.length), words]);
}

/** Reads the content of an alert record. */
export function decodeAlert(content: Bytes): PeerAlert {
  const length = content.length < 8 ? -1 : readU16(content, 6);
  if (content[1] !== 0 || length > maxText || content.length !== 8 + length) {
    throw new K4netError('K4NET_MALFORMED', 'an alert has a wrong length or a reserved byte that is not 0');
  }
  // TextDecoder removes a byte order mark.
  const text = new TextDecoder('utf-8').decode(content.subarray(8));
  return { alert: content[0] ?? 0, app: readU32(content, 2), text, authenticated: true };
}
