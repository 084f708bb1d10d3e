import { checkCount } from './cursor.js';
import * as kinds from './kinds.js';
import { ScalarReader } from './scalar-reader.js';

/**
 * Reads arrays of values of a fixed size. The data contains no count, so `n` is the number of
 * values. It is compared with the remaining bytes before memory is allocated. A negative or
 * fractional `n` is a RangeError.
 */
export abstract class ArrayReader extends ScalarReader {
  private takeArray<T>(kind: kinds.Kind<T>, n: number): T[] {
    const count = checkCount('the count of an array', n);
    let at = this.take(count * kind.size);
    const values: T[] = [];
    for (let index = 0; index < count; index += 1, at += kind.size) values.push(kind.get(this.view, at));
    return values;
  }

  /**
   * `n` bytes in one view, each of them a char. Throws {@link EndOfDataError} if fewer are left.
   */
  readCharArray(n: number): Uint8Array {
    const count = checkCount('the count of an array', n);
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }

  /**
   * `n` booleans: any byte but 0 is true; 1 byte each, all or none. Throws {@link EndOfDataError}.
   */
  readBoolArray(n: number): boolean[] {
    return this.takeArray(kinds.bool, n);
  }

  /**
   * `n` signed 8-bit integers, -128 to 127 each; 1 byte each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readByteArray(n: number): number[] {
    return this.takeArray(kinds.byte, n);
  }

  /**
   * `n` unsigned 8-bit integers, 0 to 255 each; 1 byte each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readUbyteArray(n: number): number[] {
    return this.takeArray(kinds.ubyte, n);
  }

  /**
   * `n` signed 16-bit integers, -32768 to 32767 each; 2 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readShortArray(n: number): number[] {
    return this.takeArray(kinds.short, n);
  }

  /**
   * `n` unsigned 16-bit integers, 0 to 65535 each; 2 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readUshortArray(n: number): number[] {
    return this.takeArray(kinds.ushort, n);
  }

  /**
   * `n` signed 24-bit integers, -8388608 to 8388607 each; 3 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readInt24Array(n: number): number[] {
    return this.takeArray(kinds.int24, n);
  }

  /**
   * `n` unsigned 24-bit integers, 0 to 16777215 each; 3 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readUint24Array(n: number): number[] {
    return this.takeArray(kinds.uint24, n);
  }

  /**
   * `n` signed 32-bit integers, -2147483648 to 2147483647 each; 4 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readIntArray(n: number): number[] {
    return this.takeArray(kinds.int, n);
  }

  /**
   * `n` unsigned 32-bit integers, 0 to 4294967295 each; 4 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readUintArray(n: number): number[] {
    return this.takeArray(kinds.uint, n);
  }

  /**
   * `n` signed 32-bit integers, -2147483648 to 2147483647 each; 4 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readLongArray(n: number): number[] {
    return this.takeArray(kinds.int, n);
  }

  /**
   * `n` unsigned 32-bit integers, 0 to 4294967295 each; 4 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readUlongArray(n: number): number[] {
    return this.takeArray(kinds.uint, n);
  }

  /**
   * `n` signed 64-bit integers, -2^63 to 2^63 - 1 each; 8 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readLonglongArray(n: number): bigint[] {
    return this.takeArray(kinds.longlong, n);
  }

  /**
   * `n` unsigned 64-bit integers, 0 to 2^64 - 1 each; 8 bytes each, all or none. Throws
   * {@link EndOfDataError}.
   */
  readUlonglongArray(n: number): bigint[] {
    return this.takeArray(kinds.ulonglong, n);
  }

  /** `n` 32-bit floats; 4 bytes each, all or none. Throws {@link EndOfDataError}. */
  readFloatArray(n: number): number[] {
    return this.takeArray(kinds.float, n);
  }

  /** `n` 64-bit floats; 8 bytes each, all or none. Throws {@link EndOfDataError}. */
  readDoubleArray(n: number): number[] {
    return this.takeArray(kinds.double, n);
  }

  /** The same as {@link ArrayReader.readByteArray | readByteArray}. */
  readInt8Array(n: number): number[] {
    return this.readByteArray(n);
  }

  /** The same as {@link ArrayReader.readShortArray | readShortArray}. */
  readInt16Array(n: number): number[] {
    return this.readShortArray(n);
  }

  /** The same as {@link ArrayReader.readIntArray | readIntArray}. */
  readInt32Array(n: number): number[] {
    return this.readIntArray(n);
  }

  /** The same as {@link ArrayReader.readLonglongArray | readLonglongArray}. */
  readInt64Array(n: number): bigint[] {
    return this.readLonglongArray(n);
  }

  /** The same as {@link ArrayReader.readUbyteArray | readUbyteArray}. */
  readUint8Array(n: number): number[] {
    return this.readUbyteArray(n);
  }

  /** The same as {@link ArrayReader.readUshortArray | readUshortArray}. */
  readUint16Array(n: number): number[] {
    return this.readUshortArray(n);
  }

  /** The same as {@link ArrayReader.readUintArray | readUintArray}. */
  readUint32Array(n: number): number[] {
    return this.readUintArray(n);
  }

  /** The same as {@link ArrayReader.readUlonglongArray | readUlonglongArray}. */
  readUint64Array(n: number): bigint[] {
    return this.readUlonglongArray(n);
  }
}
