import { type Bytes, readU32, writeU32 } from '../util/bytes.js';
import { K4netError, TooLargeError } from '../errors.js';
import { headerLength } from '../transport/framing/encoder.js';
import { isFirstUnit } from '../session/handshake/unit-header.js';

/**
 * The error if the first message of a plain connection is the first handshake unit of an encrypted
 * peer.
 */
export function encryptedPeer(frames: Bytes): K4netError | undefined {
  const message = frames.subarray(headerLength, headerLength + readU32(frames, 0));
  if (!isFirstUnit(message)) return undefined;
  return new K4netError('K4NET_ENCRYPTED_PEER', 'the peer is encrypted (k4net/1), and this socket is plain');
}

/**
 * The error for a first message over the limit. The first four bytes of text or of TLS, read as a
 * length prefix, are far too large. Any other error is returned unchanged.
 */
export function foreignPeer(error: K4netError): K4netError {
  if (!(error instanceof TooLargeError)) return error;
  const bytes = new Uint8Array(headerLength);
  writeU32(bytes, 0, error.size);
  const text = String.fromCharCode(...bytes);
  if (/^[\x20-\x7e]{4}$/.test(text)) return notK4net(`text (${JSON.stringify(text)})`, error);
  // The type of a TLS handshake record and the major version of every TLS.
  if (bytes[0] === 22 && bytes[1] === 3) return notK4net('TLS', error);
  return error;
}

function notK4net(what: string, cause: TooLargeError): K4netError {
  return new K4netError('K4NET_NOT_K4NET', `the peer sent ${what}, not a k4net message`, { cause });
}
