import { kindOf } from '../util/bytes.js';
import { ArrayWriter } from './array-writer.js';
import { checkArray, checkCount, plainBytes, type SeekWhence } from './cursor.js';
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
 * Writes little-endian values, strings and structs into a buffer that grows up to 4294967295 bytes.
 *
 * A write that throws changes neither the data nor the position.
 *
 * @example
 * ```ts
 * import { BinaryWriter } from 'k4net';
 *
 * const writer = new BinaryWriter();
 * writer.writeUint8(1);
 * writer.writeStringArray(['tea', 'milk']);
 * writer.writeStruct('2h f', 3, -4, 0.5);
 * console.log(writer.data);
 * ```
 */
export class BinaryWriter extends ArrayWriter {
  /** Starts with a copy of `initial` and the position at its end. Default: empty. */
  constructor(initial?: Uint8Array | ArrayBuffer) {
    const begun = initial !== undefined;
    // 128 bytes, so that a small message fits without growing the buffer.
    const bytes = begun ? plainBytes('a BinaryWriter', initial).slice() : new Uint8Array(128);
    const end = begun ? bytes.length : 0;
    super(bytes, end, end);
  }

  /**
   * Moves to `offset` bytes from the start, from the position or from the end, and returns the new
   * position.
   *
   * A position past the end is allowed: a write there fills the gap with zeros first. Throws a
   * RangeError before the start.
   */
  seek(offset: number, whence: SeekWhence = 0): number {
    this.position = this.target(offset, whence);
    return this.position;
  }

  /**
   * Moves to the next multiple of `alignment` bytes from the start and returns the new position.
   * Does not move if the position is a multiple already.
   *
   * If that is past the end, zeros extend the data up to it at once. Existing bytes do not change.
   */
  align(alignment: number = 4): number {
    const target = this.aligned(alignment);
    if (target > this.position && target > this.end) this.extend(target);
    this.position = target;
    return target;
  }

  /** Raw bytes, which are copied. Throws a TypeError for any value but a `Uint8Array`. */
  write(bytes: Uint8Array): void {
    const given: unknown = bytes;
    if (!(given instanceof Uint8Array)) throw new TypeError(`write takes a Uint8Array, not ${kindOf(given)}`);
    const at = this.room(bytes.length);
    // After a seek past the end, `set` would throw even for no bytes.
    if (bytes.length > 0) this.bytes.set(bytes, at);
  }

  /** `n` bytes of 0. Throws a RangeError if the data would exceed its limit. */
  writeZeros(n: number): void {
    const count = checkCount('the count of zeros', n);
    // Bytes after the old end are zeros already. Memory that is never written may cost nothing.
    const old = this.end;
    const at = this.room(count);
    this.bytes.fill(0, at, Math.min(old, this.position));
  }

  /**
   * Text and a terminator; with a `size`, exactly that many bytes: cut after the last whole
   * character that fits, and filled with the pad.
   *
   * Throws a RangeError for a character that the encoding lacks, and for text without a size that
   * contains the terminator; throws a `K4NET_UNSUPPORTED` error for `'shift_jis'` in a runtime
   * without it.
   */
  writeString(text: string, options?: StringOptions): void;
  /** The bytes of a string with `encoding: null`, terminated or filled like text. */
  writeString(bytes: Uint8Array, options: RawStringOptions): void;
  writeString(value: string | Uint8Array, options?: StringOptions | RawStringOptions): void {
    const format = stringFormat('writeString', options);
    this.putString(format, encodeString(format, value));
  }

  /**
   * Strings one after the other, each as {@link BinaryWriter.writeString | writeString} writes it,
   * all or none.
   */
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
    // Grows once for all strings, so that a buffer over its limit fails before the first one.
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
   * One struct. The format is that of Python's `struct` in `<` mode, such as `'3h I 8s'`;
   * `docs/binary.md` lists the letters. `s` and `p` cut longer values and fill shorter ones with
   * zeros.
   *
   * Throws a TypeError for a wrong number of values or a wrong type, and a RangeError for a value
   * out of range or a wrong format.
   */
  writeStruct(format: string, ...values: StructValue[]): void {
    const layout = structLayout(format);
    checkStruct(layout, values);
    this.putStruct(layout, values);
  }

  /**
   * Structs of one format, each an array of its values, all or none. Throws as
   * {@link BinaryWriter.writeStruct | writeStruct}.
   */
  writeStructArray(rows: readonly (readonly StructValue[])[], format: string): void {
    const layout = structLayout(format);
    if (layout.size === 0)
      throw new RangeError(`the struct format '${format}' takes no bytes, so an array of it has no size`);
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
