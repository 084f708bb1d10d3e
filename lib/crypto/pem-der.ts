import { type Bytes, concatBytes } from '../util/bytes.js';
import { K4netError, TooLargeError } from '../errors.js';

/** A block of a PEM text. */
export interface PemBlock {
  readonly label: string;
  readonly der: Bytes;
}

const blockPattern = /-----BEGIN ([A-Z0-9 ]{1,40})-----([^]*?)-----END \1-----/g;
const maxPemLength = 65_536;

/**
 * Returns the blocks of a PEM text, and ignores the text between them. No error quotes the text,
 * because it may be a secret.
 */
export function decodePem(text: string): PemBlock[] {
  if (text.length > maxPemLength)
    throw new TooLargeError(text.length, maxPemLength, 'a PEM text', 'the limit');
  return Array.from(text.matchAll(blockPattern), ([, label = '', body = '']) => ({
    label,
    der: decodeBody(label, body),
  }));
}

function decodeBody(label: string, body: string): Bytes {
  if (/^(Proc-Type|DEK-Info):/m.test(body)) {
    throw new K4netError('K4NET_UNSUPPORTED', `the PEM block '${label}' is encrypted: decrypt it first`);
  }
  let binary: string | undefined;
  try {
    binary = atob(body.replace(/\s+/g, ''));
  } catch {
    // Drop the error of atob: some runtimes quote the text in it.
  }
  if (binary === undefined || binary === '') {
    throw new K4netError('K4NET_MALFORMED', `the PEM block '${label}' is not base64`);
  }
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** Returns a PEM text of one block, with lines of 64 characters. */
export function encodePem(label: string, der: Bytes): string {
  let binary = '';
  for (const byte of der) binary += String.fromCharCode(byte);
  const lines = btoa(binary).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** The DER tags of keys. */
export const derTag = { integer: 0x02, bits: 0x03, octets: 0x04, sequence: 0x30, publicPoint: 0xa1 } as const;

/** One element of DER: its tag, its content, and all its bytes. */
export interface DerElement {
  readonly tag: number;
  readonly content: Bytes;
  readonly whole: Bytes;
}

/**
 * Returns the elements of a DER content. Reads only the parts of DER that keys use. WebCrypto
 * checks the rest of the key.
 */
export function derElements(content: Bytes): DerElement[] {
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < content.length) {
    const element = derElement(content.subarray(offset));
    elements.push(element);
    offset += element.whole.length;
  }
  return elements;
}

function derElement(bytes: Bytes): DerElement {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) throw brokenDer();
  let length = first;
  let start = 2;
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count === 0 || count > 3 || bytes.length < 2 + count) throw brokenDer();
    length = 0;
    for (const byte of bytes.subarray(2, 2 + count)) length = length * 256 + byte;
    start += count;
  }
  if (bytes.length < start + length) throw brokenDer();
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(0, start + length) };
}

function brokenDer(): K4netError {
  return new K4netError('K4NET_MALFORMED', 'a key is not complete DER');
}

/** Returns a DER element with the given parts as its content. */
export function encodeDer(tag: number, ...parts: Bytes[]): Bytes {
  const content = concatBytes(parts);
  const { length } = content;
  let header: number[];
  if (length < 0x80) header = [tag, length];
  else if (length < 0x100) header = [tag, 0x81, length];
  else header = [tag, 0x82, length >>> 8, length & 0xff];
  return concatBytes([new Uint8Array(header), content]);
}
