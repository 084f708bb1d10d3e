import { type Bytes, concatBytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';

/** The tags of DER that keys are made of. */
export const derTag = { integer: 0x02, bits: 0x03, octets: 0x04, sequence: 0x30, publicPoint: 0xa1 } as const;

/** One element of DER: its tag, its content, and the whole of it. */
export interface DerElement {
  readonly tag: number;
  readonly content: Bytes;
  readonly whole: Bytes;
}

/**
 * The elements that a DER content consists of. Reads what the library needs to find its way in a key; what a key
 * really is, WebCrypto decides.
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
  return new K4netError('K4NET_MALFORMED', 'a key is not whole DER');
}

/** An element of DER around the given parts. */
export function encodeDer(tag: number, ...parts: Bytes[]): Bytes {
  const content = concatBytes(parts);
  const { length } = content;
  let header: number[];
  if (length < 0x80) header = [tag, length];
  else if (length < 0x100) header = [tag, 0x81, length];
  else header = [tag, 0x82, length >>> 8, length & 0xff];
  return concatBytes([new Uint8Array(header), content]);
}
