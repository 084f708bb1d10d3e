import { type Bytes, ascii, concatBytes, u16Bytes } from '../../util/bytes.js';
import { K4netError } from '../../errors.js';
import { FieldReader, type RawExtension, scanExtensions } from './extensions.js';
import { headerLength, messageType, protocolImage, unitHeader } from './unit-header.js';

/** The only cipher suite of this version. */
export const suiteId = 0x0001;

/** The signature algorithms of ClientFinished. */
export const sigalg = { none: 0, ecdsa: 0x0403, pss: 0x0804 } as const;

const verifyLength = 32;

const legacyRequest = 'get_key';
const legacyKey = 'session_k';

/**
 * Checks the header of a handshake body and returns its type: step 3 of "Errors" in
 * docs/protocol.md.
 *
 * @param allowed - the types that are allowed now.
 * @param first - whether it is the first unit that a server receives: only that unit can identify a
 * client of the Python library.
 */
export function checkHeader(body: Bytes, allowed: readonly number[], first: boolean = false): number {
  if (body[0] !== 0x4b || body[1] !== 0x34 || body[2] !== 0x4e) throw foreign(body, first);
  if (body.length < headerLength)
    throw new K4netError(
      'K4NET_MALFORMED',
      `a handshake message of ${body.length} bytes is too short: its header has ${headerLength}`,
    );
  if (body[3] !== protocolImage) {
    throw new K4netError('K4NET_UNSUPPORTED', `the peer speaks another version of k4net (${body[3] ?? 0})`);
  }
  const type = body[4] ?? 0;
  if (!allowed.includes(type)) {
    throw new K4netError('K4NET_UNEXPECTED', `a handshake message of type ${type} is out of place`);
  }
  if (body[5] !== 0)
    throw new K4netError(
      'K4NET_MALFORMED',
      `the reserved byte of a handshake message must be 0, not ${body[5] ?? 0}`,
    );
  return type;
}

function foreign(body: Bytes, first: boolean): K4netError {
  const start = String.fromCharCode(...body.subarray(0, legacyKey.length));
  if (first && (start === legacyKey || (start === legacyRequest && body.length === legacyRequest.length))) {
    return new K4netError(
      'K4NET_LEGACY_PEER',
      'the peer is an encrypting client of the Python library, which is not supported: use plain: true at both sides',
    );
  }
  return new K4netError('K4NET_NOT_K4NET', 'the peer does not speak k4net/1');
}

export interface KeyRequest {
  readonly extensions: readonly RawExtension[];
}

export function encodeKeyRequest(extensions: Bytes): Bytes {
  return concatBytes([unitHeader(messageType.keyRequest), extensions]);
}

export function decodeKeyRequest(body: Bytes): KeyRequest {
  const reader = new FieldReader(body, headerLength, 'KeyRequest');
  const extensions = scanExtensions(reader, 'KeyRequest');
  reader.end();
  return { extensions };
}

export interface KeyOffer {
  readonly spki: Bytes;
  readonly extensions: readonly RawExtension[];
}

export function encodeKeyOffer(spki: Bytes, extensions: Bytes): Bytes {
  return concatBytes([unitHeader(messageType.keyOffer), u16Bytes(spki.length), spki, extensions]);
}

export function decodeKeyOffer(body: Bytes): KeyOffer {
  const reader = new FieldReader(body, headerLength, 'KeyOffer');
  const spki = reader.take(reader.u16());
  const extensions = scanExtensions(reader, 'KeyOffer');
  reader.end();
  return { spki, extensions };
}

export interface ClientHello {
  readonly random: Bytes;
  readonly keyId: Bytes;
  readonly share: Bytes;
  readonly suites: readonly number[];
  readonly ciphertext: Bytes;
  readonly extensions: readonly RawExtension[];
}

export function encodeClientHello(
  { random, keyId, share, suites, ciphertext }: Omit<ClientHello, 'extensions'>,
  extensions: Bytes,
): Bytes {
  return concatBytes([
    unitHeader(messageType.clientHello),
    random,
    keyId,
    share,
    new Uint8Array([suites.length]),
    ...suites.map(u16Bytes),
    u16Bytes(ciphertext.length),
    ciphertext,
    extensions,
  ]);
}

export function decodeClientHello(body: Bytes): ClientHello {
  const reader = new FieldReader(body, headerLength, 'ClientHello');
  const random = reader.take(32);
  const keyId = reader.take(32);
  const share = reader.take(65);
  const suites = Array.from({ length: reader.u8() }, () => reader.u16());
  const ciphertext = reader.take(reader.u16());
  const extensions = scanExtensions(reader, 'ClientHello');
  reader.end();
  return { random, keyId, share, suites, ciphertext, extensions };
}

export interface ServerHello {
  readonly random: Bytes;
  readonly share: Bytes;
  readonly suite: number;
  readonly extensions: readonly RawExtension[];
}

export function encodeServerHello(
  { random, share, suite }: Omit<ServerHello, 'extensions'>,
  extensions: Bytes,
): Bytes {
  return concatBytes([unitHeader(messageType.serverHello), random, share, u16Bytes(suite), extensions]);
}

export function decodeServerHello(body: Bytes): ServerHello {
  const reader = new FieldReader(body, headerLength, 'ServerHello');
  const random = reader.take(32);
  const share = reader.take(65);
  const suite = reader.u16();
  const extensions = scanExtensions(reader, 'ServerHello');
  reader.end();
  return { random, share, suite, extensions };
}

/**
 * The fields of both Finished messages: the part of the body that `verify` covers, and `verify`.
 */
interface Finished {
  readonly covered: Bytes;
  readonly verify: Bytes;
}

export interface ServerFinished extends Finished {
  readonly flags: number;
  readonly extensions: readonly RawExtension[];
}

/** The part of ServerFinished before `verify`. */
export function encodeServerFinished(flags: number, extensions: Bytes): Bytes {
  return concatBytes([unitHeader(messageType.serverFinished), new Uint8Array([flags]), extensions]);
}

export function decodeServerFinished(body: Bytes): ServerFinished {
  const reader = new FieldReader(body, headerLength, 'ServerFinished');
  const flags = reader.u8();
  const extensions = scanExtensions(reader, 'ServerFinished');
  const covered = body.subarray(0, reader.offset);
  const verify = reader.take(verifyLength);
  reader.end();
  return { flags, extensions, covered, verify };
}

export interface ClientFinished extends Finished {
  readonly sigalg: number;
  readonly spki: Bytes;
  readonly extensions: readonly RawExtension[];
  readonly signature: Bytes;
  /** The part of the body that the signature covers. */
  readonly signed: Bytes;
}

/** The part of ClientFinished before the length field of the signature. */
export function encodeClientFinished(algorithm: number, spki: Bytes, extensions: Bytes): Bytes {
  return concatBytes([
    unitHeader(messageType.clientFinished),
    u16Bytes(algorithm),
    u16Bytes(spki.length),
    spki,
    extensions,
  ]);
}

/** Length of a ClientFinished, from the lengths of its signed part and of its signature. */
export function clientFinishedLength(signedLength: number, signatureLength: number): number {
  return signedLength + 2 + signatureLength + verifyLength;
}

export function decodeClientFinished(body: Bytes): ClientFinished {
  const reader = new FieldReader(body, headerLength, 'ClientFinished');
  const algorithm = reader.u16();
  const spki = reader.take(reader.u16());
  const extensions = scanExtensions(reader, 'ClientFinished');
  const signed = body.subarray(0, reader.offset);
  const signature = reader.take(reader.u16());
  const covered = body.subarray(0, reader.offset);
  const verify = reader.take(verifyLength);
  reader.end();
  return { sigalg: algorithm, spki, extensions, signature, signed, covered, verify };
}

/** An alert in the clear. Its text is ASCII. */
export function encodeClearAlert(code: number, text: string): Bytes {
  const words = ascii(text.replace(/[^\x20-\x7e]/g, '?')).subarray(0, 255);
  return concatBytes([unitHeader(messageType.alert), new Uint8Array([code, words.length]), words]);
}

export function decodeClearAlert(body: Bytes): { readonly code: number; readonly text: string } {
  const reader = new FieldReader(body, headerLength, 'an alert in the clear');
  const code = reader.u8();
  const words = reader.take(reader.u8());
  reader.end();
  const text = Array.from(words, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'));
  return { code, text: text.join('') };
}
