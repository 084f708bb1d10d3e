import { writeU32 } from '../util/bytes.js';
import { BinaryCursor, maxLength } from './cursor.js';
import * as kinds from './kinds.js';

// Each method writes by itself. A shared body would be megamorphic, and the compiler could not
// inline it.

/** Longest text that `putShortAscii` accepts. */
const shortText = 48;

/**
 * Writes single values of a fixed size. A rejected value changes neither the data nor the position.
 */
export abstract class ScalarWriter extends BinaryCursor {
  /** Moves past `wanted` bytes, grows the data if needed, and returns their offset. */
  protected room(wanted: number): number {
    const at = this.position;
    const after = at + wanted;
    // As in a file, an empty write does not fill the gap before it.
    if (after > this.end && wanted > 0) {
      if (after > this.bytes.length) this.grow(after);
      this.end = after;
    }
    this.position = after;
    return at;
  }

  /** Extends the data with zeros. */
  protected extend(length: number): void {
    if (length > this.bytes.length) this.grow(length);
    this.end = length;
  }

  /**
   * Writes the length and the bytes of a short ASCII text without an array for its bytes: such
   * texts are frequent. Returns false, and writes nothing, for any other text.
   *
   * @internal
   */
  putShortAscii(text: string): boolean {
    const { length } = text;
    if (length > shortText) return false;
    for (let i = 0; i < length; i += 1) if (text.charCodeAt(i) > 0x7f) return false;
    const at = this.room(4 + length);
    writeU32(this.bytes, at, length);
    for (let i = 0; i < length; i += 1) this.bytes[at + 4 + i] = text.charCodeAt(i);
    return true;
  }

  private grow(wanted: number): void {
    if (wanted > maxLength) {
      throw new RangeError(`a buffer of ${wanted} bytes exceeds the limit of ${maxLength} bytes`);
    }
    const bytes = new Uint8Array(Math.min(maxLength, Math.max(wanted, this.bytes.length * 2, 64)));
    bytes.set(this.bytes.subarray(0, this.end));
    this.rebase(bytes);
  }

  /**
   * One byte: a `Uint8Array` of length 1, or a string of one character from U+0000 to U+00FF.
   * Throws a RangeError for any other length or character.
   */
  writeChar(value: Uint8Array | string): void {
    const checked = kinds.char.check(value);
    const at = this.room(1);
    kinds.char.set(this.view, at, checked);
  }

  /** A boolean as the byte 1 or 0. Throws a TypeError for any other value. */
  writeBool(value: boolean): void {
    const checked = kinds.bool.check(value);
    const at = this.room(1);
    this.bytes[at] = checked ? 1 : 0;
  }

  /** A signed 8-bit integer, -128 to 127; 1 byte. Throws a RangeError for a value out of range. */
  writeByte(value: number): void {
    const checked = kinds.byte.check(value);
    const at = this.room(1);
    this.bytes[at] = checked;
  }

  /** An unsigned 8-bit integer, 0 to 255; 1 byte. Throws a RangeError for a value out of range. */
  writeUbyte(value: number): void {
    const checked = kinds.ubyte.check(value);
    const at = this.room(1);
    this.bytes[at] = checked;
  }

  /**
   * A signed 16-bit integer, -32768 to 32767; 2 bytes. Throws a RangeError for a value out of
   * range.
   */
  writeShort(value: number): void {
    const checked = kinds.short.check(value);
    const at = this.room(2);
    this.view.setInt16(at, checked, true);
  }

  /**
   * An unsigned 16-bit integer, 0 to 65535; 2 bytes. Throws a RangeError for a value out of range.
   */
  writeUshort(value: number): void {
    const checked = kinds.ushort.check(value);
    const at = this.room(2);
    this.view.setUint16(at, checked, true);
  }

  /**
   * A signed 24-bit integer, -8388608 to 8388607; 3 bytes. Throws a RangeError for a value out of
   * range.
   */
  writeInt24(value: number): void {
    const checked = kinds.int24.check(value);
    const at = this.room(3);
    kinds.int24.set(this.view, at, checked);
  }

  /**
   * An unsigned 24-bit integer, 0 to 16777215; 3 bytes. Throws a RangeError for a value out of
   * range.
   */
  writeUint24(value: number): void {
    const checked = kinds.uint24.check(value);
    const at = this.room(3);
    kinds.uint24.set(this.view, at, checked);
  }

  /**
   * A signed 32-bit integer, -2147483648 to 2147483647; 4 bytes. Throws a RangeError for a value
   * out of range.
   */
  writeInt(value: number): void {
    const checked = kinds.int.check(value);
    const at = this.room(4);
    writeU32(this.bytes, at, checked);
  }

  /**
   * An unsigned 32-bit integer, 0 to 4294967295; 4 bytes. Throws a RangeError for a value out of
   * range.
   */
  writeUint(value: number): void {
    const checked = kinds.uint.check(value);
    const at = this.room(4);
    writeU32(this.bytes, at, checked);
  }

  /**
   * A signed 32-bit integer, -2147483648 to 2147483647; 4 bytes. Throws a RangeError for a value
   * out of range.
   */
  writeLong(value: number): void {
    const checked = kinds.int.check(value);
    const at = this.room(4);
    writeU32(this.bytes, at, checked);
  }

  /**
   * An unsigned 32-bit integer, 0 to 4294967295; 4 bytes. Throws a RangeError for a value out of
   * range.
   */
  writeUlong(value: number): void {
    const checked = kinds.uint.check(value);
    const at = this.room(4);
    writeU32(this.bytes, at, checked);
  }

  /**
   * A signed 64-bit integer, -2^63 to 2^63 - 1; 8 bytes. Takes a bigint or a safe whole number.
   * Throws a RangeError for a value out of range.
   */
  writeLonglong(value: bigint | number): void {
    const checked = kinds.longlong.check(value);
    const at = this.room(8);
    this.view.setBigInt64(at, checked, true);
  }

  /**
   * An unsigned 64-bit integer, 0 to 2^64 - 1; 8 bytes. Takes a bigint or a safe whole number.
   * Throws a RangeError for a value out of range.
   */
  writeUlonglong(value: bigint | number): void {
    const checked = kinds.ulonglong.check(value);
    const at = this.room(8);
    this.view.setBigUint64(at, checked, true);
  }

  /**
   * The nearest 32-bit float, NaN and the infinities included; 4 bytes. Throws a RangeError for a
   * finite number below -3.4028234663852886e+38 or above 3.4028234663852886e+38.
   */
  writeFloat(value: number): void {
    const checked = kinds.float.check(value);
    const at = this.room(4);
    this.view.setFloat32(at, checked, true);
  }

  /** A 64-bit float: any number; 8 bytes. Throws a TypeError for a value that is not a number. */
  writeDouble(value: number): void {
    const checked = kinds.double.check(value);
    const at = this.room(8);
    this.view.setFloat64(at, checked, true);
  }

  /** The same as {@link ScalarWriter.writeByte | writeByte}. */
  writeInt8(value: number): void {
    this.writeByte(value);
  }

  /** The same as {@link ScalarWriter.writeShort | writeShort}. */
  writeInt16(value: number): void {
    this.writeShort(value);
  }

  /** The same as {@link ScalarWriter.writeInt | writeInt}. */
  writeInt32(value: number): void {
    this.writeInt(value);
  }

  /** The same as {@link ScalarWriter.writeLonglong | writeLonglong}. */
  writeInt64(value: bigint | number): void {
    this.writeLonglong(value);
  }

  /** The same as {@link ScalarWriter.writeUbyte | writeUbyte}. */
  writeUint8(value: number): void {
    this.writeUbyte(value);
  }

  /** The same as {@link ScalarWriter.writeUshort | writeUshort}. */
  writeUint16(value: number): void {
    this.writeUshort(value);
  }

  /** The same as {@link ScalarWriter.writeUint | writeUint}. */
  writeUint32(value: number): void {
    this.writeUint(value);
  }

  /** The same as {@link ScalarWriter.writeUlonglong | writeUlonglong}. */
  writeUint64(value: bigint | number): void {
    this.writeUlonglong(value);
  }
}
