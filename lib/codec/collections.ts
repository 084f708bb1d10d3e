import { kindOf } from '../util/bytes.js';
import {
  type Codec,
  type Input,
  isCodec,
  type Output,
  type PayloadType,
  type StandardSchema,
} from './codec.js';
import { addPathStep, malformed, readCount } from './helpers.js';
import { codecOf, elementSize, minSizeOf } from './parts.js';
import { string } from './primitives.js';

/**
 * An array of values of one codec: the count as a uint32, then the values.
 *
 * @throws RangeError if a value may take no bytes.
 */
export function array<I, O>(element: Codec<I, O>): Codec<readonly I[], O[]>;
export function array<S extends StandardSchema>(element: S): Codec<readonly Input<S>[], Output<S>[]>;
export function array(element: PayloadType): Codec<readonly unknown[], unknown[]> {
  const codec = codecOf('the element of an array', element);
  const minSize = elementSize('the element of an array', codec);
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
          codec.encode(writer, value);
          index += 1;
        }
      } catch (error) {
        addPathStep(writer, error, index);
        throw error;
      }
      checkWritten('array', count, index, writer.tell() - start, minSize);
    },
    decode(reader) {
      const count = readCount(reader, minSize);
      const values: unknown[] = [];
      try {
        while (values.length < count) values.push(codec.decode(reader));
      } catch (error) {
        addPathStep(reader, error, values.length);
        throw error;
      }
      return values;
    },
  };
}

/** The values of a tuple of codecs that can be sent. */
export type TupleInput<C extends readonly PayloadType[]> = { readonly [K in keyof C]: Input<C[K]> };
/** The values of a tuple of codecs that are received. */
export type TupleOutput<C extends readonly PayloadType[]> = { -readonly [K in keyof C]: Output<C[K]> };

/** An array of fixed length with one codec for each element: the values without a count. */
export function tuple<const C extends readonly PayloadType[]>(
  codecs: C,
): Codec<TupleInput<C>, TupleOutput<C>> {
  checkArray('the codecs of a tuple', codecs);
  const places = codecs.map((codec, index) => codecOf(`place ${index} of a tuple`, codec));
  const minSize = places.reduce(
    (sum, codec, index) => sum + minSizeOf(`place ${index} of a tuple`, codec),
    0,
  );
  return {
    minSize,
    encode(writer, values) {
      checkArray('a tuple', values);
      if (values.length !== places.length) {
        throw new TypeError(`a tuple must have ${places.length} values, not ${values.length}`);
      }
      let index = 0;
      try {
        for (const codec of places) {
          codec.encode(writer, values[index]);
          index += 1;
        }
      } catch (error) {
        addPathStep(writer, error, index);
        throw error;
      }
    },
    decode(reader) {
      const values: unknown[] = [];
      try {
        for (const codec of places) values.push(codec.decode(reader));
      } catch (error) {
        addPathStep(reader, error, values.length);
        throw error;
      }
      return values as TupleOutput<C>;
    },
  };
}

function checkArray(what: string, values: readonly unknown[]): void {
  const given: unknown = values;
  if (!Array.isArray(given)) throw new TypeError(`${what} must be an array, not ${kindOf(given)}`);
}

/** The keys of a map: values that are equal if their bytes are equal. */
export type MapKey = string | number | bigint | boolean;

/**
 * A `Map`: the count of entries as a uint32, then each key and its value. A repeated key fails to
 * decode.
 *
 * @throws RangeError if an entry may take no bytes.
 */
export function map<KI extends MapKey, KO extends MapKey, VI, VO>(
  key: Codec<KI, KO>,
  value: Codec<VI, VO>,
): Codec<ReadonlyMap<KI, VI>, Map<KO, VO>>;
export function map<KI extends MapKey, KO extends MapKey, S extends StandardSchema>(
  key: Codec<KI, KO>,
  value: S,
): Codec<ReadonlyMap<KI, Input<S>>, Map<KO, Output<S>>>;
export function map(
  key: Codec<unknown>,
  value: PayloadType,
): Codec<ReadonlyMap<unknown, unknown>, Map<unknown, unknown>> {
  if (!isCodec(key)) throw new TypeError(`the key of a map must be a codec, not ${kindOf(key)}`);
  const codec = codecOf('the value of a map', value);
  const minSize = elementSize('an entry of a map', key, codec);
  return {
    minSize: 4,
    encode(writer, entries) {
      const given: unknown = entries;
      if (!(given instanceof Map)) throw new TypeError(`a map must be a Map, not ${kindOf(given)}`);
      const count = entries.size;
      writer.writeUint32(count);
      const start = writer.tell();
      let index = 0;
      try {
        for (const [k, v] of entries) {
          key.encode(writer, k);
          codec.encode(writer, v);
          index += 1;
        }
      } catch (error) {
        addPathStep(writer, error, index);
        throw error;
      }
      checkWritten('map', count, index, writer.tell() - start, minSize);
    },
    decode(reader) {
      const count = readCount(reader, minSize);
      const entries = new Map<unknown, unknown>();
      try {
        while (entries.size < count) {
          const from = reader.tell();
          const k = key.decode(reader);
          if (entries.has(k)) throw malformed(reader, from, 'a map has a key twice');
          entries.set(k, codec.decode(reader));
        }
      } catch (error) {
        addPathStep(reader, error, entries.size);
        throw error;
      }
      return entries;
    },
  };
}

/**
 * An object with any string keys and values of one codec, encoded as a map with string keys. A
 * repeated key fails to decode.
 *
 * A decoded record has no prototype: a key from the peer such as `toString` cannot be confused with
 * an inherited property.
 */
export function record<I, O>(value: Codec<I, O>): Codec<Readonly<Record<string, I>>, Record<string, O>>;
export function record<S extends StandardSchema>(
  value: S,
): Codec<Readonly<Record<string, Input<S>>>, Record<string, Output<S>>>;
export function record(
  value: PayloadType,
): Codec<Readonly<Record<string, unknown>>, Record<string, unknown>> {
  const codec = codecOf('the value of a record', value);
  const minSize = elementSize('an entry of a record', string, codec);
  return {
    minSize: 4,
    encode(writer, entries) {
      checkRecord(entries);
      const pairs = Object.entries(entries);
      writer.writeUint32(pairs.length);
      const start = writer.tell();
      let step = '';
      try {
        for (const [k, v] of pairs) {
          step = k;
          string.encode(writer, k);
          codec.encode(writer, v);
        }
      } catch (error) {
        addPathStep(writer, error, step);
        throw error;
      }
      checkWritten('record', pairs.length, pairs.length, writer.tell() - start, minSize);
    },
    decode(reader) {
      const count = readCount(reader, minSize);
      const entries = Object.create(null) as Record<string, unknown>;
      let index = 0;
      try {
        for (; index < count; index += 1) {
          const from = reader.tell();
          const k = string.decode(reader);
          if (k in entries) throw malformed(reader, from, 'a record has a key twice');
          entries[k] = codec.decode(reader);
        }
      } catch (error) {
        // The index, not the key: the key comes from the peer, and the path becomes part of an
        // error message.
        addPathStep(reader, error, index);
        throw error;
      }
      return entries;
    },
  };
}

/**
 * Rejects arrays and maps too: a `Map` has no own keys and would be sent as an empty record.
 */
function checkRecord(value: unknown): void {
  if (typeof value === 'object' && value !== null && !(Symbol.iterator in value)) return;
  throw new TypeError(`a record must be an object, not ${kindOf(value)}`);
}

/**
 * Compares the encoded elements with the count that precedes them: a getter or a codec can change a
 * collection while it is encoded, and the peer would reject a wrong count.
 */
function checkWritten(what: string, count: number, written: number, size: number, minSize: number): void {
  if (written !== count) {
    throw new TypeError(`the ${what} was changed while it was encoded: from ${count} to ${written} elements`);
  }
  if (size < count * minSize) {
    throw new TypeError(
      `a codec inside the ${what} wrote fewer bytes than its minSize: ${size} bytes for ${count} elements of at least ${minSize}`,
    );
  }
}
