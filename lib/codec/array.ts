import { kindOf } from '../util/bytes.js';
import { type AnyCodec, type Codec, elementSize, erase, minSizeOf } from './codec.js';
import { passed } from './error-path.js';
import type { Input, Output } from './types.js';
import { readCount } from './read-helpers.js';

/**
 * An array of values of one codec: their number as a uint32, then the values.
 *
 * @throws RangeError when values may take no bytes at all.
 */
export function array<I, O>(element: Codec<I, O>): Codec<readonly I[], O[]> {
  const least = elementSize('the element of an array', element);
  return {
    minSize: 4,
    encode(writer, values) {
      checkArray('an array', values);
      const count = values.length;
      writer.writeUint32(count);
      const start = writer.tell();
      let index = 0;
      try {
        for (const value of values) {
          element.encode(writer, value);
          index += 1;
        }
      } catch (error) {
        passed(writer, error, index);
        throw error;
      }
      checkWritten('array', count, index, writer.tell() - start, least);
    },
    decode(reader) {
      const count = readCount(reader, least);
      const values: O[] = [];
      try {
        while (values.length < count) values.push(element.decode(reader));
      } catch (error) {
        passed(reader, error, values.length);
        throw error;
      }
      return values;
    },
  };
}

/** What a tuple of codecs takes. */
export type TupleInput<C extends readonly AnyCodec[]> = { readonly [K in keyof C]: Input<C[K]> };
/** What a tuple of codecs gives. */
export type TupleOutput<C extends readonly AnyCodec[]> = { -readonly [K in keyof C]: Output<C[K]> };

/** An array with one codec for each place: the values one after the other, without a count. */
export function tuple<const C extends readonly AnyCodec[]>(codecs: C): Codec<TupleInput<C>, TupleOutput<C>> {
  checkArray('the codecs of a tuple', codecs);
  const places = codecs.map((codec) => erase(codec));
  const minSize = places.reduce(
    (sum, codec, index) => sum + minSizeOf(`place ${index} of a tuple`, codec),
    0,
  );
  return {
    minSize,
    encode(writer, values) {
      checkArray('a tuple', values);
      if (values.length !== places.length) {
        throw new TypeError(`a tuple of ${places.length} values, not of ${values.length}`);
      }
      let index = 0;
      try {
        for (const codec of places) {
          codec.encode(writer, values[index]);
          index += 1;
        }
      } catch (error) {
        passed(writer, error, index);
        throw error;
      }
    },
    decode(reader) {
      const values: unknown[] = [];
      try {
        for (const codec of places) values.push(codec.decode(reader));
      } catch (error) {
        passed(reader, error, values.length);
        throw error;
      }
      return values as TupleOutput<C>;
    },
  };
}

function checkArray(what: string, values: readonly unknown[]): void {
  const given: unknown = values;
  if (!Array.isArray(given)) throw new TypeError(`${what} is an array, not ${kindOf(given)}`);
}

/** Finds on this side what the peer would refuse: the count goes before the values, and can be wrong by then. */
export function checkWritten(
  what: string,
  count: number,
  written: number,
  size: number,
  least: number,
): void {
  if (written !== count) throw new TypeError(`the ${what} was changed while it was encoded`);
  if (size < count * least)
    throw new TypeError(`the codec inside of the ${what} wrote less than its minSize`);
}
