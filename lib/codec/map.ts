import { kindOf } from '../util/bytes.js';
import { checkWritten } from './array.js';
import { type Codec, elementSize } from './codec.js';
import { string } from './strings.js';
import { passed } from './error-path.js';
import { malformed, readCount } from './read-helpers.js';

/** What a map may have as keys: values that are equal whenever their bytes are. */
export type MapKey = string | number | bigint | boolean;

/**
 * A `Map`: the number of its entries as a uint32, then each key and its value. A key that comes twice does not decode.
 *
 * @throws RangeError when entries may take no bytes at all.
 */
export function map<KI extends MapKey, KO extends MapKey, VI, VO>(
  key: Codec<KI, KO>,
  value: Codec<VI, VO>,
): Codec<ReadonlyMap<KI, VI>, Map<KO, VO>> {
  const least = elementSize('an entry of a map', key, value);
  return {
    minSize: 4,
    encode(writer, entries) {
      const given: unknown = entries;
      if (!(given instanceof Map)) throw new TypeError(`a map is a Map, not ${kindOf(given)}`);
      const count = entries.size;
      writer.writeUint32(count);
      const start = writer.tell();
      let index = 0;
      try {
        for (const [k, v] of entries) {
          key.encode(writer, k);
          value.encode(writer, v);
          index += 1;
        }
      } catch (error) {
        passed(writer, error, index);
        throw error;
      }
      checkWritten('map', count, index, writer.tell() - start, least);
    },
    decode(reader) {
      const count = readCount(reader, least);
      const entries = new Map<KO, VO>();
      try {
        while (entries.size < count) {
          const from = reader.tell();
          const k = key.decode(reader);
          if (entries.has(k)) throw malformed(reader, from, 'a map has each key once');
          entries.set(k, value.decode(reader));
        }
      } catch (error) {
        passed(reader, error, entries.size);
        throw error;
      }
      return entries;
    },
  };
}

/**
 * An object with any string keys and values of one codec, as a map of strings: the number of entries as a uint32, then
 * each key and its value. What is decoded has no prototype, so that a key of the peer, such as `toString`, is what it
 * seems. A key that comes twice does not decode.
 */
export function record<I, O>(value: Codec<I, O>): Codec<Readonly<Record<string, I>>, Record<string, O>> {
  const least = elementSize('an entry of a record', string, value);
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
          value.encode(writer, v);
        }
      } catch (error) {
        passed(writer, error, step);
        throw error;
      }
      checkWritten('record', pairs.length, pairs.length, writer.tell() - start, least);
    },
    decode(reader) {
      const count = readCount(reader, least);
      const entries = Object.create(null) as Record<string, O>;
      let index = 0;
      try {
        for (; index < count; index += 1) {
          const from = reader.tell();
          const k = string.decode(reader);
          if (k in entries) throw malformed(reader, from, 'a record has each key once');
          entries[k] = value.decode(reader);
        }
      } catch (error) {
        // By its number: the key is the peer's, and paths go into messages.
        passed(reader, error, index);
        throw error;
      }
      return entries;
    },
  };
}

/** Refuses lists and maps too, which have no keys of the kind that is meant and would be sent as nothing. */
function checkRecord(value: unknown): void {
  if (typeof value === 'object' && value !== null && !(Symbol.iterator in value)) return;
  throw new TypeError(`a record is an object, not ${kindOf(value)}`);
}
