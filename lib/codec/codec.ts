import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import { kindOf } from '../util/bytes.js';

/**
 * How values of one type lie in bytes. What `codec` makes is one, and so is any object with these members.
 *
 * A codec of your own reads exactly what it has written: it does not look at `remaining`, and it keeps no state.
 *
 * @typeParam Input - what may be sent.
 * @typeParam Output - what is received.
 */
export interface Codec<in Input, out Output = Input> {
  /**
   * The least number of bytes that a value takes; 1 where it is left out. Counts from a peer are compared with it before
   * memory is taken, so the parts of arrays and maps need 1 or more.
   */
  readonly minSize?: number;
  /** Writes a value. Throws a TypeError or a RangeError for one that it does not take. */
  encode(writer: BinaryWriter, value: Input): void;
  /** Reads a value. May throw anything: the whole payload then fails with a `DecodeError`. */
  decode(reader: BinaryReader): Output;
}

/** A codec of whatever values. */
export type AnyCodec = Codec<never, unknown>;

/** A part of a struct that may be missing. */
export interface OptionalCodec<in Input, out Output = Input> extends Codec<
  Input | undefined,
  Output | undefined
> {
  readonly optional: true;
}

/** A codec whose type only the types of its owner know. */
export function erase(codec: AnyCodec): Codec<unknown> {
  return codec as Codec<unknown>;
}

/** Whether a value has the methods of a codec. */
export function isCodec(value: unknown): value is Codec<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { encode, decode } = value as Partial<Record<keyof AnyCodec, unknown>>;
  return typeof encode === 'function' && typeof decode === 'function';
}

/** The least size of a part of something, whose maker is told early when it is no codec. */
export function minSizeOf(what: string, part: unknown): number {
  if (!isCodec(part)) {
    const isSchema =
      (typeof part === 'object' || typeof part === 'function') && part !== null && '~standard' in part;
    const hint = isSchema ? 'a schema, which can only be that of a whole message' : kindOf(part);
    throw new TypeError(`${what} is a codec, not ${hint}`);
  }
  const size = part.minSize ?? 1;
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new RangeError(`the minSize of ${what} is a whole number from 0 up, not ${String(size)}`);
}

/** The least size of what there may be any number of: a peer could announce billions of those that take no bytes. */
export function elementSize(what: string, ...parts: readonly unknown[]): number {
  const size = parts.reduce<number>((sum, part) => sum + minSizeOf(what, part), 0);
  if (size > 0) return size;
  throw new RangeError(`${what} takes at least one byte, but this codec may take none`);
}
