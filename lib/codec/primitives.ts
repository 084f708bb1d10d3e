import { utf8 } from '../binary/encodings.js';
import * as kinds from '../binary/kinds.js';
import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import { kindOf } from '../util/bytes.js';
import type { Codec } from './codec.js';
import { malformed, readFlag } from './helpers.js';

function scalar<T>(
  minSize: number,
  encode: (writer: BinaryWriter, value: T) => void,
  decode: (reader: BinaryReader) => T,
): Codec<T> {
  return { minSize, encode, decode };
}

/** A whole number from -128 to 127; 1 byte. */
export const int8: Codec<number> = /* @__PURE__ */ scalar(
  1,
  (writer, value) => {
    writer.writeByte(value);
  },
  (reader) => reader.readByte(),
);

/** A whole number from -32768 to 32767; 2 bytes. */
export const int16: Codec<number> = /* @__PURE__ */ scalar(
  2,
  (writer, value) => {
    writer.writeShort(value);
  },
  (reader) => reader.readShort(),
);

/** A whole number from -8388608 to 8388607; 3 bytes. */
export const int24: Codec<number> = /* @__PURE__ */ scalar(
  3,
  (writer, value) => {
    writer.writeInt24(value);
  },
  (reader) => reader.readInt24(),
);

/** A whole number from -2147483648 to 2147483647; 4 bytes. */
export const int32: Codec<number> = /* @__PURE__ */ scalar(
  4,
  (writer, value) => {
    writer.writeInt(value);
  },
  (reader) => reader.readInt(),
);

/** A bigint from -2^63 to 2^63 - 1; 8 bytes. */
export const int64: Codec<bigint> = /* @__PURE__ */ scalar(
  8,
  (writer, value) => {
    writer.writeLonglong(value);
  },
  (reader) => reader.readLonglong(),
);

/** A whole number from 0 to 255; 1 byte. */
export const uint8: Codec<number> = /* @__PURE__ */ scalar(
  1,
  (writer, value) => {
    writer.writeUbyte(value);
  },
  (reader) => reader.readUbyte(),
);

/** A whole number from 0 to 65535; 2 bytes. */
export const uint16: Codec<number> = /* @__PURE__ */ scalar(
  2,
  (writer, value) => {
    writer.writeUshort(value);
  },
  (reader) => reader.readUshort(),
);

/** A whole number from 0 to 16777215; 3 bytes. */
export const uint24: Codec<number> = /* @__PURE__ */ scalar(
  3,
  (writer, value) => {
    writer.writeUint24(value);
  },
  (reader) => reader.readUint24(),
);

/** A whole number from 0 to 4294967295; 4 bytes. */
export const uint32: Codec<number> = /* @__PURE__ */ scalar(
  4,
  (writer, value) => {
    writer.writeUint(value);
  },
  (reader) => reader.readUint(),
);

/** A bigint from 0 to 2^64 - 1; 8 bytes. */
export const uint64: Codec<bigint> = /* @__PURE__ */ scalar(
  8,
  (writer, value) => {
    writer.writeUlonglong(value);
  },
  (reader) => reader.readUlonglong(),
);

/**
 * A number, sent as the nearest 32-bit float; 4 bytes. A finite number out of its range is a
 * RangeError.
 */
export const float32: Codec<number> = /* @__PURE__ */ scalar(
  4,
  (writer, value) => {
    writer.writeFloat(value);
  },
  (reader) => reader.readFloat(),
);

/** Any number; 8 bytes. */
export const float64: Codec<number> = /* @__PURE__ */ scalar(
  8,
  (writer, value) => {
    writer.writeDouble(value);
  },
  (reader) => reader.readDouble(),
);

/**
 * A number, sent as the nearest half-precision float; 2 bytes. A finite number out of its range is
 * a RangeError.
 */
export const float16: Codec<number> = /* @__PURE__ */ scalar(
  2,
  (writer, value) => {
    writer.writeUshort(kinds.toHalf(kinds.half.check(value)));
  },
  (reader) => kinds.fromHalf(reader.readUshort()),
);

/** A boolean as the byte 0 or 1. Any other byte fails to decode. */
export const bool: Codec<boolean> = /* @__PURE__ */ scalar(
  1,
  (writer, value) => {
    writer.writeBool(value);
  },
  (reader) => readFlag(reader, 'a bool'),
);

/** No value and no bytes, for requests without an argument or an answer. */
export const nothing: Codec<void> = {
  minSize: 0,
  encode(_writer, value) {
    const given: unknown = value;
    if (given !== undefined)
      throw new TypeError(`codec.nothing accepts only undefined, not ${kindOf(given)}`);
  },
  decode: () => undefined,
};

/** Text: the length in bytes as a uint32, then UTF-8. A lone surrogate is a RangeError. */
export const string: Codec<string> = {
  minSize: 4,
  encode(writer, value) {
    const given: unknown = value;
    if (typeof given !== 'string') throw new TypeError(`text must be a string, not ${kindOf(given)}`);
    if (writer.putShortAscii(given)) return;
    const encoded = utf8.encode(given);
    writer.writeUint(encoded.length);
    writer.write(encoded);
  },
  decode(reader) {
    const length = reader.readUint();
    const from = reader.tell();
    const text = utf8.decode(reader.read(length));
    if (typeof text === 'string') return text;
    throw malformed(reader, from, 'a string is not UTF-8');
  },
};

/** Bytes: their number as a uint32, then the bytes. The decoded value is a view of the message. */
export const bytes: Codec<Uint8Array> = {
  minSize: 4,
  encode(writer, value) {
    const { length } = checkBytes(value);
    writer.writeUint(length);
    writer.write(value);
  },
  decode: (reader) => reader.read(reader.readUint()),
};

/**
 * Exactly `size` bytes without a length prefix. The decoded value is a view of the message.
 *
 * @param size - from 0 to 4294967295.
 */
export function fixedBytes(size: number): Codec<Uint8Array> {
  if (typeof size !== 'number')
    throw new TypeError(`the size of fixedBytes must be a number, not ${kindOf(size)}`);
  if (!Number.isInteger(size) || size < 0 || size > 0xffff_ffff) {
    throw new RangeError(`the size of fixedBytes must be a whole number from 0 to 4294967295, not ${size}`);
  }
  return {
    minSize: size,
    encode(writer, value) {
      const { length } = checkBytes(value);
      if (length !== size) throw new RangeError(`fixedBytes(${size}) must have ${size} bytes, not ${length}`);
      writer.write(value);
    },
    decode: (reader) => reader.read(size),
  };
}

function checkBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`bytes must be a Uint8Array, not ${kindOf(value)}`);
}
