import { utf8 } from '../binary/encodings.js';
import { kindOf } from '../util/bytes.js';
import type { Codec } from './codec.js';
import { malformed } from './read-helpers.js';

/** Text: its length in bytes as a uint32, then strict UTF-8. Half a surrogate pair is a RangeError. */
export const string: Codec<string> = {
  minSize: 4,
  encode(writer, value) {
    const given: unknown = value;
    if (typeof given !== 'string') throw new TypeError(`a string is a string, not ${kindOf(given)}`);
    const encoded = utf8.encode(given);
    writer.writeUint32(encoded.length);
    writer.write(encoded);
  },
  decode(reader) {
    const length = reader.readUint32();
    const from = reader.tell();
    const text = utf8.decode(reader.read(length));
    if (typeof text === 'string') return text;
    throw malformed(reader, from, 'a string is UTF-8');
  },
};

/** Bytes: their number as a uint32, then themselves. What is decoded is a view of the message: `slice()` to keep it. */
export const bytes: Codec<Uint8Array> = {
  minSize: 4,
  encode(writer, value) {
    const { length } = checkBytes(value);
    writer.writeUint32(length);
    writer.write(value);
  },
  decode: (reader) => reader.read(reader.readUint32()),
};

/**
 * Exactly `size` bytes, without a length before them. What is decoded is a view of the message: `slice()` to keep it.
 *
 * @param size - from 0 to 4294967295.
 */
export function fixedBytes(size: number): Codec<Uint8Array> {
  if (typeof size !== 'number')
    throw new TypeError(`the size of fixedBytes is a number, not ${kindOf(size)}`);
  if (!Number.isInteger(size) || size < 0 || size > 0xffff_ffff) {
    throw new RangeError(`the size of fixedBytes is a whole number from 0 to 4294967295, not ${size}`);
  }
  return {
    minSize: size,
    encode(writer, value) {
      const { length } = checkBytes(value);
      if (length !== size) throw new RangeError(`these bytes are ${size}, not ${length}`);
      writer.write(value);
    },
    decode: (reader) => reader.read(size),
  };
}

function checkBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`bytes are a Uint8Array, not ${kindOf(value)}`);
}
