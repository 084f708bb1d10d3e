import { kindOf } from '../util/bytes.js';
import { ArrayWriter } from './array-writer.js';
import { checkArray, checkCount, plainBytes } from './checks.js';
import type { SeekWhence } from './cursor.js';
import {
  elementFormat,
  encodeString,
  fillPads,
  stringFormat,
  type RawStringOptions,
  type StringFormat,
  type StringOptions,
} from './string-format.js';
import { checkStruct, pack, structLayout, type StructLayout, type StructValue } from './struct-format.js';

/**
 * Writes little-endian values, strings and structs into a buffer that grows, up to 4294967295 bytes.
 *
 * A write is all or nothing: one that throws leaves the data and the position as they were.
 */
export class BinaryWriter extends ArrayWriter {
  /** Begins with a copy of `initial`, if there is one, and with the position at its end. */
  constructor(initial?: Uint8Array | ArrayBuffer) {
    const begun = initial !== undefined;
    // Room for a small message, which then need not grow.
    const bytes = begun ? plainBytes('a BinaryWriter', initial).slice() : new Uint8Array(128);
    const end = begun ? bytes.length : 0;
    super(bytes, end, end);
  }

  /**
   * Moves to `offset` bytes from the start, from the position or from the end, and returns the new position.
   *
   * Past the end is allowed: a write there first fills the gap with zeros. A RangeError for one before the start.
   */
  seek(offset: number, whence: SeekWhence = 0): number {
    this.position = this.target(offset, whence);
    return this.position;
  }

  /**
   * Moves to the next multiple of `alignment` bytes from the start, if not on one, and returns the new position.
   *
   * Where that is past the end, the data grows up to it with zeros, at once. What is there already stays.
   */
  align(alignment: number = 4): number {
    const target = this.aligned(alignment);
    if (target > this.position && target > this.end) this.extend(target);
    this.position = target;
    return target;
  }

  /** Raw bytes, copied. Throws a TypeError for anything but a `Uint8Array`. */
  write(bytes: Uint8Array): void {
    const given: unknown = bytes;
    if (!(given instanceof Uint8Array)) throw new TypeError(`write takes a Uint8Array, not ${kindOf(given)}`);
    const at = this.room(bytes.length);
    // Nothing has no place past the end, where a seek may have led.
    if (bytes.length > 0) this.bytes.set(bytes, at);
  }

  /** `n` bytes of 0. Throws a RangeError where the data would grow over its limit. */
  writeZeros(n: number): void {
    const count = checkCount('the count of zeros', n);
    // Behind the end are zeros already, and memory that is not touched may cost nothing.
    const old = this.end;
    const at = this.room(count);
    this.bytes.fill(0, at, Math.min(old, this.position));
  }

  /**
   * Text, and after it the terminator; or with a `size` exactly that many bytes: cut after the last whole character
   * that fits, and filled up with the pad.
   *
   * Throws a RangeError for a character that the encoding cannot hold, and without a size for text that contains the
   * terminator; a `K4NET_UNSUPPORTED` error for `'shift_jis'` where the runtime has no tables for it.
   */
  writeString(text: string, options?: StringOptions): void;
  /** The bytes of a string with `encoding: null`: terminated, or cut and filled up, like text. */
  writeString(bytes: Uint8Array, options: RawStringOptions): void;
  writeString(value: string | Uint8Array, options?: StringOptions | RawStringOptions): void {
    const format = stringFormat('writeString', options);
    this.putString(format, encodeString(format, value));
  }

  /** Strings one after the other, each as {@link BinaryWriter.writeString | writeString} writes it, all or none. */
  writeStringArray(texts: readonly string[], options?: StringOptions): void;
  /** Strings of raw bytes, all or none. */
  writeStringArray(values: readonly Uint8Array[], options: RawStringOptions): void;
  writeStringArray(
    values: readonly (string | Uint8Array)[],
    options?: StringOptions | RawStringOptions,
  ): void {
    const format = elementFormat('writeStringArray', options);
    checkArray('an array of strings', values);
    const encoded = Array.from(values, (value) => encodeString(format, value));
    // All the room at once: a buffer that cannot grow then fails before the first string.
    this.position = this.room(encoded.reduce((sum, bytes) => sum + fieldSize(format, bytes), 0));
    for (const bytes of encoded) this.putString(format, bytes);
  }

  private putString(format: StringFormat, bytes: Uint8Array): void {
    const size = fieldSize(format, bytes);
    if (size === 0) return;
    const at = this.room(size);
    this.bytes.set(bytes, at);
    fillPads(format, this.bytes, at + bytes.length, at + size);
  }

  /**
   * One struct. The format is that of Python's `struct` in its `<` mode, such as `'3h I 8s'`; the letters are in
   * `docs/binary.md`. As there, `s` and `p` cut what is longer than the field, and fill up with zeros.
   *
   * Throws a TypeError for a wrong count of values or a wrong type, a RangeError for a value that does not fit or a
   * bad format.
   */
  writeStruct(format: string, ...values: StructValue[]): void {
    const layout = structLayout(format);
    checkStruct(layout, values);
    this.putStruct(layout, values);
  }

  /** Structs of one format, each an array of its values, all or none. Throws as {@link BinaryWriter.writeStruct | writeStruct}. */
  writeStructArray(rows: readonly (readonly StructValue[])[], format: string): void {
    const layout = structLayout(format);
    if (layout.size === 0)
      throw new RangeError(`the struct format '${format}' takes no bytes: an array has no use for it`);
    checkArray('an array of structs', rows);
    for (const row of rows) {
      checkArray('a struct', row);
      checkStruct(layout, row);
    }
    this.position = this.room(rows.length * layout.size);
    for (const row of rows) this.putStruct(layout, row);
  }

  private putStruct(layout: StructLayout, values: readonly StructValue[]): void {
    const at = this.room(layout.size);
    pack(layout, values, this.bytes, this.view, at);
  }
}

function fieldSize(format: StringFormat, bytes: Uint8Array): number {
  return format.size ?? bytes.length + format.unit;
}
