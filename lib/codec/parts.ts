import { kindOf } from '../util/bytes.js';
import { type Codec, isCodec, isSchema, type PayloadType } from './codec.js';
import { schemaCodec } from './schema.js';

/**
 * The codec of a part of other codecs.
 *
 * @param what - the part, as the error message names it.
 * @throws TypeError for a part that is neither a codec nor a schema.
 */
export function codecOf(what: string, part: PayloadType): Codec<unknown> {
  const given: unknown = part;
  // A schema of some libraries has the methods of a codec too.
  if (isSchema(given)) return schemaCodec(given);
  if (isCodec(given)) return given;
  throw new TypeError(`${what} must be a codec or a schema, not ${kindOf(given)}`);
}

/** The smallest size of a part. */
export function minSizeOf(what: string, codec: Codec<never, unknown>): number {
  const size = codec.minSize ?? 1;
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new RangeError(`the minSize of ${what} must be a whole number from 0 up, not ${String(size)}`);
}

/**
 * The smallest size of a repeated element. It must be at least one byte: otherwise a short message
 * could announce billions of elements.
 */
export function elementSize(what: string, ...parts: readonly Codec<never, unknown>[]): number {
  const size = parts.reduce((sum, part) => sum + minSizeOf(what, part), 0);
  if (size > 0) return size;
  throw new RangeError(`${what} must take at least one byte, but its minSize is 0`);
}
