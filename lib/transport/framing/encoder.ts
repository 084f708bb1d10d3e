import { writeU32, type Bytes } from '../../util/bytes.js';

/** Length of what stands before each message: its length, unsigned, 32 bits, little-endian. */
export const headerLength = 4;

/** The longest message that the header can announce, in bytes. */
export const longestMessage = 0xffff_ffff;

/** Bytes that stand in a message before what its sender gave: they are copied before a call with them returns. */
export interface MessageHead {
  readonly bytes: Bytes;
  /** How many of the bytes count. */
  readonly length: number;
}

/** No bytes before a message. */
export const noHead: MessageHead = { bytes: new Uint8Array(0), length: 0 };

/** Writes the header of a message; the caller has checked the room and the length. */
export function writeHeader(target: Bytes, offset: number, length: number): void {
  writeU32(target, offset, length);
}
