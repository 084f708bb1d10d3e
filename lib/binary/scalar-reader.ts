import { readU32 } from '../util/bytes.js';
import { EndOfDataError } from '../errors.js';
import { BinaryCursor } from './cursor.js';
import * as kinds from './kinds.js';

// Each method reads by itself. A shared body would be megamorphic, and the compiler could not
// inline it.

/** Reads single values of a fixed size. */
export abstract class ScalarReader extends BinaryCursor {
  /**
   * Moves past `wanted` bytes and returns their offset. Throws without moving if fewer are left.
   */
  protected take(wanted: number): number {
    const at = this.position;
    // An empty read always succeeds, even after an editor's seek past the end.
    if (wanted > this.end - at && wanted > 0) {
      throw new EndOfDataError(at, wanted, Math.max(0, this.end - at));
    }
    this.position = at + wanted;
    return at;
  }

  /** One byte, as a view of length 1. Throws {@link EndOfDataError} if none is left. */
  readChar(): Uint8Array {
    const at = this.take(1);
    return this.bytes.subarray(at, at + 1);
  }

  /** A boolean: any byte but 0 is true; 1 byte. Throws {@link EndOfDataError} if fewer are left. */
  readBool(): boolean {
    const at = this.take(1);
    return this.bytes[at] !== 0;
  }

  /**
   * A signed 8-bit integer, -128 to 127; 1 byte. Throws {@link EndOfDataError} if fewer are left.
   */
  readByte(): number {
    const at = this.take(1);
    return ((this.bytes[at] ?? 0) << 24) >> 24;
  }

  /**
   * An unsigned 8-bit integer, 0 to 255; 1 byte. Throws {@link EndOfDataError} if fewer are left.
   */
  readUbyte(): number {
    const at = this.take(1);
    return this.bytes[at] ?? 0;
  }

  /**
   * A signed 16-bit integer, -32768 to 32767; 2 bytes. Throws {@link EndOfDataError} if fewer are
   * left.
   */
  readShort(): number {
    const at = this.take(2);
    return this.view.getInt16(at, true);
  }

  /**
   * An unsigned 16-bit integer, 0 to 65535; 2 bytes. Throws {@link EndOfDataError} if fewer are
   * left.
   */
  readUshort(): number {
    const at = this.take(2);
    return this.view.getUint16(at, true);
  }

  /**
   * A signed 24-bit integer, -8388608 to 8388607; 3 bytes. Throws {@link EndOfDataError} if fewer
   * are left.
   */
  readInt24(): number {
    const at = this.take(3);
    return kinds.int24.get(this.view, at);
  }

  /**
   * An unsigned 24-bit integer, 0 to 16777215; 3 bytes. Throws {@link EndOfDataError} if fewer are
   * left.
   */
  readUint24(): number {
    const at = this.take(3);
    return kinds.uint24.get(this.view, at);
  }

  /**
   * A signed 32-bit integer, -2147483648 to 2147483647; 4 bytes. Throws {@link EndOfDataError} if
   * fewer are left.
   */
  readInt(): number {
    const at = this.take(4);
    return readU32(this.bytes, at) | 0;
  }

  /**
   * An unsigned 32-bit integer, 0 to 4294967295; 4 bytes. Throws {@link EndOfDataError} if fewer
   * are left.
   */
  readUint(): number {
    const at = this.take(4);
    return readU32(this.bytes, at);
  }

  /**
   * A signed 32-bit integer, -2147483648 to 2147483647; 4 bytes. Throws {@link EndOfDataError} if
   * fewer are left.
   */
  readLong(): number {
    const at = this.take(4);
    return readU32(this.bytes, at) | 0;
  }

  /**
   * An unsigned 32-bit integer, 0 to 4294967295; 4 bytes. Throws {@link EndOfDataError} if fewer
   * are left.
   */
  readUlong(): number {
    const at = this.take(4);
    return readU32(this.bytes, at);
  }

  /**
   * A signed 64-bit integer, -2^63 to 2^63 - 1; 8 bytes. Throws {@link EndOfDataError} if fewer are
   * left.
   */
  readLonglong(): bigint {
    const at = this.take(8);
    return this.view.getBigInt64(at, true);
  }

  /**
   * An unsigned 64-bit integer, 0 to 2^64 - 1; 8 bytes. Throws {@link EndOfDataError} if fewer are
   * left.
   */
  readUlonglong(): bigint {
    const at = this.take(8);
    return this.view.getBigUint64(at, true);
  }

  /** A 32-bit float; 4 bytes. Throws {@link EndOfDataError} if fewer are left. */
  readFloat(): number {
    const at = this.take(4);
    return this.view.getFloat32(at, true);
  }

  /** A 64-bit float; 8 bytes. Throws {@link EndOfDataError} if fewer are left. */
  readDouble(): number {
    const at = this.take(8);
    return this.view.getFloat64(at, true);
  }

  /** The same as {@link ScalarReader.readByte | readByte}. */
  readInt8(): number {
    return this.readByte();
  }

  /** The same as {@link ScalarReader.readShort | readShort}. */
  readInt16(): number {
    return this.readShort();
  }

  /** The same as {@link ScalarReader.readInt | readInt}. */
  readInt32(): number {
    return this.readInt();
  }

  /** The same as {@link ScalarReader.readLonglong | readLonglong}. */
  readInt64(): bigint {
    return this.readLonglong();
  }

  /** The same as {@link ScalarReader.readUbyte | readUbyte}. */
  readUint8(): number {
    return this.readUbyte();
  }

  /** The same as {@link ScalarReader.readUshort | readUshort}. */
  readUint16(): number {
    return this.readUshort();
  }

  /** The same as {@link ScalarReader.readUint | readUint}. */
  readUint32(): number {
    return this.readUint();
  }

  /** The same as {@link ScalarReader.readUlonglong | readUlonglong}. */
  readUint64(): bigint {
    return this.readUlonglong();
  }
}
