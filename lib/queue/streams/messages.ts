// The bytes of the messages of streaming calls: "Streaming calls" in docs/protocol.md.
import type { MessageHead } from '../../transport/framing/encoder.js';
import { readU32, writeU32, type Bytes } from '../../util/bytes.js';
import { controlHead, maxName, putAscii, putHead } from '../envelope.js';

/** The types of the messages. Each has one direction, as both sides number their calls from 1. */
export const streamType = {
  /** From the caller. */
  open: 6,
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

const flagsLength = 1;
const windowLength = 4;
/** The offset of the name of an open. */
export const openHead: number = controlHead + flagsLength + windowLength;

/** What an open says about its streams. */
export interface OpenFields {
  readonly flags: number;
  /** The window of the items of the answer. */
  readonly window: number;
}

const open: MessageHead & { length: number } = { bytes: new Uint8Array(openHead + maxName + 1), length: 0 };
const item: MessageHead = { bytes: new Uint8Array(controlHead), length: controlHead };

/** The head of an open. Valid until the next head is made. */
export function openingHead(id: number, name: string, { flags, window }: OpenFields): MessageHead {
  putHead(open.bytes, streamType.open, id);
  open.bytes[controlHead] = flags;
  writeU32(open.bytes, controlHead + flagsLength, window);
  putAscii(open.bytes, openHead, name);
  open.length = openHead + name.length + 1;
  open.bytes[open.length - 1] = 0;
  return open;
}

/** Reads the fields of an open; the caller has checked that its head is there. */
export function readOpen(bytes: Bytes, start: number): OpenFields {
  const at = start + controlHead;
  return { flags: bytes[at] ?? 0, window: readU32(bytes, at + flagsLength) };
}

/** The head of an item. Valid until the next head is made. */
export function itemHead(type: number, id: number): MessageHead {
  putHead(item.bytes, type, id);
  return item;
}

/** The end or the stop of a body. */
export function encodeSignal(type: number, id: number): Bytes {
  return putHead(new Uint8Array(controlHead), type, id);
}

/** A credit. */
export function encodeCredit(type: number, id: number, credit: number): Bytes {
  const bytes = putHead(new Uint8Array(controlHead + windowLength), type, id);
  writeU32(bytes, controlHead, credit);
  return bytes;
}

/** The bytes of a credit after its id; undefined if they are malformed. */
export function readCredit(content: Bytes): number | undefined {
  return content.length === windowLength ? readU32(content, 0) : undefined;
}
