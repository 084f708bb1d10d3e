// The part of the messages of streaming calls that a socket needs before it loads their code:
// "Streaming calls" in docs/protocol.md.
import type { MessageHead } from '../transport/framing/encoder.js';
import { readU32, writeU32, type Bytes } from '../util/bytes.js';
import { controlHead, maxName, putAscii, putHead } from './control-head.js';
import { controlType } from './envelope.js';

const flagsLength = 1;
const windowLength = 4;
/** The offset of the name of an open. */
export const openHead: number = controlHead + flagsLength + windowLength;

/** The fields of an open that describe its streams. */
export interface OpenFields {
  readonly flags: number;
  /** The window of the items of the answer. */
  readonly window: number;
}

const open: MessageHead & { length: number } = { bytes: new Uint8Array(openHead + maxName + 1), length: 0 };
const item: MessageHead = { bytes: new Uint8Array(controlHead), length: controlHead };

/** The head of an open. Valid until the next head is made. */
export function openingHead(id: number, name: string, { flags, window }: OpenFields): MessageHead {
  putHead(open.bytes, controlType.open, id);
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

/** The head of another message of a stream. Valid until the next head is made. */
export function streamHead(type: number, id: number): MessageHead {
  putHead(item.bytes, type, id);
  return item;
}
