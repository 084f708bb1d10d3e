import { noBytes, type Bytes } from '../../util/bytes.js';

/** Bytes of the length prefix of a message: its length, unsigned, 32 bits, little-endian. */
export const headerLength = 4;

/** The longest message that the length prefix can express, in bytes. */
export const longestMessage = 0xffff_ffff;

/**
 * Bytes at the beginning of a message, before the sender's data. They are copied before a call with
 * them returns.
 */
export interface MessageHead {
  readonly bytes: Bytes;
  /** The number of bytes that count. */
  readonly length: number;
}

/** A head without bytes. */
export const noHead: MessageHead = { bytes: noBytes, length: 0 };

/** @throws RangeError for the length of a message that the length prefix cannot express. */
export function checkMessageLength(length: number): void {
  if (length > longestMessage)
    throw new RangeError(`message of ${length} bytes exceeds the 4 GiB that the length prefix can express`);
}
