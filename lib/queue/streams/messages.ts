import { readU32, type Bytes } from '../../util/bytes.js';

/**
 * The types of the messages of a stream, after the open: "Streaming calls" in docs/protocol.md.
 * Each has one direction, because both sides number their calls from 1.
 */
export const streamType = {
  /** From the caller. */
  bodyItem: 7,
  bodyEnd: 8,
  answerCredit: 9,
  /** From the side that answers. */
  answerItem: 10,
  bodyCredit: 11,
  bodyStop: 12,
} as const;

/** The flags of an open. */
export const openFlag = { body: 1, items: 2 } as const;

/** The bytes of a credit; undefined if they are malformed. */
export function readCredit(content: Bytes): number | undefined {
  return content.length === 4 ? readU32(content, 0) : undefined;
}
