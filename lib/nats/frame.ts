import { K4netError } from '../errors.js';
import { noBytes, readU16, readU32, viewOf, writeU32, type Bytes } from '../util/bytes.js';

// "Frames over NATS" in docs/protocol.md. No I/O here.

/** The kinds of a frame: its first byte. */
export const kinds: {
  readonly open: 1;
  readonly accept: 2;
  readonly refuse: 3;
  readonly frame: 4;
  readonly reset: 5;
  readonly again: 6;
} = { open: 1, accept: 2, refuse: 3, frame: 4, reset: 5, again: 6 };
export type Kind = (typeof kinds)[keyof typeof kinds];

/** The second byte of an `open` and an `accept`. */
export const version = 1;

/** The second byte of a `refuse`: the numbers of the alerts of k4net/1. */
export const refusals: { readonly busy: 10; readonly unsupported: 5 } = { busy: 10, unsupported: 5 };

/** The bits in the second byte of a `frame`. */
export const flags: { readonly end: 1; readonly ask: 2 } = { end: 1, ask: 2 };

/** The bytes of a frame before its data. */
export const headerLength = 16;

/** The bytes of a frame with its header, at most. */
export const longestFrame: number = 32 * 1024;

/**
 * The cost of a frame with data beside its bytes, and of an end: about the memory of a message in
 * the server of NATS.
 */
export const frameCost = 128;

/** A received frame. The positions are modulo 2^32. */
export interface Frame {
  readonly kind: Kind;
  /** The second byte: a version, the reason of a refusal, or bits. */
  readonly code: number;
  readonly at: number;
  readonly have: number;
  readonly limit: number;
  readonly data: Bytes;
}

/** The positions in a header. They may exceed 2^32. */
export interface Positions {
  readonly at: number;
  readonly have: number;
  readonly limit: number;
}

/** Writes the first 16 bytes of a frame. */
export function writeHeader(target: Bytes, kind: Kind, code: number, { at, have, limit }: Positions): void {
  target[0] = kind;
  target[1] = code;
  target[2] = 0;
  target[3] = 0;
  // A shift takes a number modulo 2^32.
  writeU32(target, 4, at >>> 0);
  writeU32(target, 8, have >>> 0);
  writeU32(target, 12, limit >>> 0);
}

/** A frame without data. */
export function bareFrame(kind: Kind, code: number, positions: Positions = start): Bytes {
  const frame = new Uint8Array(headerLength);
  writeHeader(frame, kind, code, positions);
  return frame;
}

const start: Positions = { at: 0, have: 0, limit: 0 };

/** The cost of a frame. */
export function costOf(data: number, end: boolean): number {
  return (data > 0 ? data + frameCost : 0) + (end ? frameCost : 0);
}

/**
 * Parses a frame. Its data is a view.
 *
 * @throws K4netError `K4NET_MALFORMED` if it breaks a rule of the format.
 */
export function parseFrame(message: Bytes): Frame {
  const { length } = message;
  if (length < headerLength) throw brokenRule(`a frame of ${length} bytes, fewer than ${headerLength}`);
  const kind = message[0] ?? 0;
  const code = message[1] ?? 0;
  if (!isKind(kind)) throw brokenRule(`a frame of the unknown kind ${kind}`);
  if (readU16(message, 2) !== 0) throw brokenRule('a frame whose bytes 2 and 3 are not 0');
  if (kind !== kinds.frame && length > headerLength) throw brokenRule(`data in a frame of kind ${kind}`);
  if (length > longestFrame) throw brokenRule(`a frame of ${length} bytes, more than ${longestFrame}`);
  const known = kind === kinds.frame ? flags.end | flags.ask : kind < kinds.frame ? 255 : 0;
  if ((code & ~known) !== 0) throw brokenRule(`the unknown bits ${code} in a frame of kind ${kind}`);
  return {
    kind,
    code,
    at: readU32(message, 4),
    have: readU32(message, 8),
    limit: readU32(message, 12),
    data: length === headerLength ? noBytes : viewOf(message, headerLength, length),
  };
}

function isKind(value: number): value is Kind {
  return value >= kinds.open && value <= kinds.again;
}

/** The error for a frame that breaks a rule. */
export function brokenRule(what: string): K4netError {
  return new K4netError('K4NET_MALFORMED', `the peer sent ${what}: see "Frames over NATS" in the protocol`);
}
