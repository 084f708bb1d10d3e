// The first bytes of control messages: "Queue messages" in docs/protocol.md.
import { writeU32, type Bytes } from '../util/bytes.js';

/** The longest name, in bytes. */
export const maxName = 255;
/**
 * An empty name, which the Python library ignores, then two letters: text does not begin with a NUL
 * and these letters by chance.
 */
export const mark = [0x00, 0x4b, 0x51] as const;
/** The length of the mark and the type. */
export const headLength: number = mark.length + 1;
const idLength = 4;
/** The offset of the payload of an answer and of the name of a request. */
export const controlHead: number = headLength + idLength;

/** Writes the first bytes of a control message. */
export function putHead(bytes: Bytes, type: number, id: number): Bytes {
  writeU32(bytes, headLength, id);
  return putMark(bytes, type);
}

/** Writes the mark and the type of a control message. */
export function putMark(bytes: Bytes, type: number): Bytes {
  bytes[0] = mark[0];
  bytes[1] = mark[1];
  bytes[2] = mark[2];
  bytes[3] = type;
  return bytes;
}

/** Writes a text that is ASCII. */
export function putAscii(bytes: Bytes, at: number, text: string): void {
  for (let i = 0; i < text.length; i += 1) bytes[at + i] = text.charCodeAt(i);
}
