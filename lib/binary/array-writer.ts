import { checkArray } from './cursor.js';
import * as kinds from './kinds.js';
import { ScalarWriter } from './scalar-writer.js';

/**
 * Writes arrays of values of a fixed size, without a count. Accepts arrays and typed arrays. If one
 * value is rejected, nothing is written.
 */
export abstract class ArrayWriter extends ScalarWriter {
  private putArray<T>(kind: kinds.Kind<T>, values: ArrayLike<unknown>): void {
    checkArray(`an array for ${kind.name}`, values);
    const count = values.length;
    const checked: T[] = [];
    for (let index = 0; index < count; index += 1) checked.push(kind.check(values[index]));
    let at = this.room(count * kind.size);
    for (const value of checked) {
      kind.set(this.view, at, value);
      at += kind.size;
    }
  }

  /**
   * Chars, 1 byte each: an array of values for {@link ScalarWriter.writeChar | writeChar}, or a
   * `Uint8Array` with one char in each byte. Rejects values like `writeChar` does.
   */
  writeCharArray(values: Uint8Array | readonly (Uint8Array | string)[]): void {
    if (values instanceof Uint8Array) this.putArray(kinds.ubyte, values);
    else this.putArray(kinds.char, values);
  }

  /** Booleans; 1 byte each. Rejects values like {@link ScalarWriter.writeBool | writeBool} does. */
  writeBoolArray(values: ArrayLike<boolean>): void {
    this.putArray(kinds.bool, values);
  }

  /**
   * Signed 8-bit integers, -128 to 127 each; 1 byte each. Rejects values like
   * {@link ScalarWriter.writeByte | writeByte} does.
   */
  writeByteArray(values: ArrayLike<number>): void {
    this.putArray(kinds.byte, values);
  }

  /**
   * Unsigned 8-bit integers, 0 to 255 each; 1 byte each. Rejects values like
   * {@link ScalarWriter.writeUbyte | writeUbyte} does.
   */
  writeUbyteArray(values: ArrayLike<number>): void {
    this.putArray(kinds.ubyte, values);
  }

  /**
   * Signed 16-bit integers, -32768 to 32767 each; 2 bytes each. Rejects values like
   * {@link ScalarWriter.writeShort | writeShort} does.
   */
  writeShortArray(values: ArrayLike<number>): void {
    this.putArray(kinds.short, values);
  }

  /**
   * Unsigned 16-bit integers, 0 to 65535 each; 2 bytes each. Rejects values like
   * {@link ScalarWriter.writeUshort | writeUshort} does.
   */
  writeUshortArray(values: ArrayLike<number>): void {
    this.putArray(kinds.ushort, values);
  }

  /**
   * Signed 24-bit integers, -8388608 to 8388607 each; 3 bytes each. Rejects values like
   * {@link ScalarWriter.writeInt24 | writeInt24} does.
   */
  writeInt24Array(values: ArrayLike<number>): void {
    this.putArray(kinds.int24, values);
  }

  /**
   * Unsigned 24-bit integers, 0 to 16777215 each; 3 bytes each. Rejects values like
   * {@link ScalarWriter.writeUint24 | writeUint24} does.
   */
  writeUint24Array(values: ArrayLike<number>): void {
    this.putArray(kinds.uint24, values);
  }

  /**
   * Signed 32-bit integers, -2147483648 to 2147483647 each; 4 bytes each. Rejects values like
   * {@link ScalarWriter.writeInt | writeInt} does.
   */
  writeIntArray(values: ArrayLike<number>): void {
    this.putArray(kinds.int, values);
  }

  /**
   * Unsigned 32-bit integers, 0 to 4294967295 each; 4 bytes each. Rejects values like
   * {@link ScalarWriter.writeUint | writeUint} does.
   */
  writeUintArray(values: ArrayLike<number>): void {
    this.putArray(kinds.uint, values);
  }

  /**
   * Signed 32-bit integers, -2147483648 to 2147483647 each; 4 bytes each. Rejects values like
   * {@link ScalarWriter.writeLong | writeLong} does.
   */
  writeLongArray(values: ArrayLike<number>): void {
    this.putArray(kinds.int, values);
  }

  /**
   * Unsigned 32-bit integers, 0 to 4294967295 each; 4 bytes each. Rejects values like
   * {@link ScalarWriter.writeUlong | writeUlong} does.
   */
  writeUlongArray(values: ArrayLike<number>): void {
    this.putArray(kinds.uint, values);
  }

  /**
   * Signed 64-bit integers, -2^63 to 2^63 - 1 each; 8 bytes each. Rejects values like
   * {@link ScalarWriter.writeLonglong | writeLonglong} does.
   */
  writeLonglongArray(values: ArrayLike<bigint | number>): void {
    this.putArray(kinds.longlong, values);
  }

  /**
   * Unsigned 64-bit integers, 0 to 2^64 - 1 each; 8 bytes each. Rejects values like
   * {@link ScalarWriter.writeUlonglong | writeUlonglong} does.
   */
  writeUlonglongArray(values: ArrayLike<bigint | number>): void {
    this.putArray(kinds.ulonglong, values);
  }

  /**
   * 32-bit floats; 4 bytes each. Rejects values like {@link ScalarWriter.writeFloat | writeFloat}
   * does.
   */
  writeFloatArray(values: ArrayLike<number>): void {
    this.putArray(kinds.float, values);
  }

  /**
   * 64-bit floats; 8 bytes each. Rejects values like {@link ScalarWriter.writeDouble | writeDouble}
   * does.
   */
  writeDoubleArray(values: ArrayLike<number>): void {
    this.putArray(kinds.double, values);
  }

  /** The same as {@link ArrayWriter.writeByteArray | writeByteArray}. */
  writeInt8Array(values: ArrayLike<number>): void {
    this.writeByteArray(values);
  }

  /** The same as {@link ArrayWriter.writeShortArray | writeShortArray}. */
  writeInt16Array(values: ArrayLike<number>): void {
    this.writeShortArray(values);
  }

  /** The same as {@link ArrayWriter.writeIntArray | writeIntArray}. */
  writeInt32Array(values: ArrayLike<number>): void {
    this.writeIntArray(values);
  }

  /** The same as {@link ArrayWriter.writeLonglongArray | writeLonglongArray}. */
  writeInt64Array(values: ArrayLike<bigint | number>): void {
    this.writeLonglongArray(values);
  }

  /** The same as {@link ArrayWriter.writeUbyteArray | writeUbyteArray}. */
  writeUint8Array(values: ArrayLike<number>): void {
    this.writeUbyteArray(values);
  }

  /** The same as {@link ArrayWriter.writeUshortArray | writeUshortArray}. */
  writeUint16Array(values: ArrayLike<number>): void {
    this.writeUshortArray(values);
  }

  /** The same as {@link ArrayWriter.writeUintArray | writeUintArray}. */
  writeUint32Array(values: ArrayLike<number>): void {
    this.writeUintArray(values);
  }

  /** The same as {@link ArrayWriter.writeUlonglongArray | writeUlonglongArray}. */
  writeUint64Array(values: ArrayLike<bigint | number>): void {
    this.writeUlonglongArray(values);
  }
}
