import { EndOfDataError, MalformedError } from '../errors.js';
import { ArrayReader } from './array-reader.js';
import { checkCount, plainBytes, type SeekWhence } from './cursor.js';
import {
  elementFormat,
  findPad,
  stringFormat,
  stripPads,
  type RawStringOptions,
  type StringFormat,
  type StringOptions,
} from './string-format.js';
import { structLayout, unpack, type StructValue } from './struct-format.js';

/**
 * Reads little-endian values, strings and structs from bytes.
 *
 * A read that throws does not move the position. A read past the end is an {@link EndOfDataError}
 * with the offset, the number of bytes wanted and the number available.
 *
 * @example
 * ```ts
 * import { BinaryReader, BinaryWriter } from 'k4net';
 *
 * const writer = new BinaryWriter();
 * writer.writeString('temperature');
 * writer.writeDouble(21.5);
 * const reader = new BinaryReader(writer.data);
 * console.log(reader.readString(), reader.readDouble(), reader.remaining);
 * ```
 */
export class BinaryReader extends ArrayReader {
  /**
   * The bytes are not copied: later changes to them affect later reads. The position starts at 0.
   */
  constructor(data: Uint8Array | ArrayBuffer) {
    const bytes = plainBytes('a BinaryReader', data);
    super(bytes, bytes.length, 0);
  }

  /** Bytes from the position to the end. */
  get remaining(): number {
    return Math.max(0, this.end - this.position);
  }

  /**
   * Moves to `offset` bytes from the start, from the position or from the end, and returns the new
   * position.
   *
   * Throws a RangeError before the start and an {@link EndOfDataError} past the end. The end itself
   * is allowed.
   */
  seek(offset: number, whence: SeekWhence = 0): number {
    return this.moveTo(this.target(offset, whence));
  }

  /**
   * Moves to the next multiple of `alignment` bytes from the start and returns the new position.
   * Does not move if the position is a multiple already.
   *
   * Throws an {@link EndOfDataError} if that is past the end.
   */
  align(alignment: number = 4): number {
    return this.moveTo(this.aligned(alignment));
  }

  private moveTo(target: number): number {
    if (target > this.end) {
      throw new EndOfDataError(this.position, target - this.position, this.end - this.position);
    }
    this.position = target;
    return target;
  }

  /**
   * `n` bytes, by default all remaining ones. A view of the data, not a copy: use `slice()` for a
   * copy.
   *
   * Throws {@link EndOfDataError} if fewer are left.
   */
  read(n?: number): Uint8Array {
    const at = this.take(n === undefined ? this.remaining : checkCount('the count of a read', n));
    // A message is often one value. Returning `bytes` itself halves the cost of such a read.
    return this.position - at === this.bytes.length ? this.bytes : this.bytes.subarray(at, this.position);
  }

  /**
   * Text up to its terminator, which is consumed; with a `size`, that many bytes without the pads
   * at their end.
   *
   * Throws {@link EndOfDataError} if the terminator or a part of the size is missing,
   * {@link MalformedError} for bytes that are invalid in the encoding, and a `K4NET_UNSUPPORTED`
   * error for `'shift_jis'` in a runtime without it.
   */
  readString(options?: StringOptions): string;
  /** The bytes of a string with `encoding: null`, delimited like text: a view of the data. */
  readString(options: RawStringOptions): Uint8Array;
  readString(options?: StringOptions | RawStringOptions): string | Uint8Array {
    return this.takeString(stringFormat('readString', options));
  }

  /** `n` strings, each as {@link BinaryReader.readString | readString} reads one, all or none. */
  readStringArray(n: number, options?: StringOptions): string[];
  /** `n` strings of raw bytes, all or none. */
  readStringArray(n: number, options: RawStringOptions): Uint8Array[];
  readStringArray(n: number, options?: StringOptions | RawStringOptions): (string | Uint8Array)[] {
    const format = elementFormat('readStringArray', options);
    const count = checkCount('the count of an array', n);
    const start = this.take(count * (format.size ?? format.unit));
    this.position = start;
    const values: (string | Uint8Array)[] = [];
    try {
      while (values.length < count) values.push(this.takeString(format));
    } catch (error) {
      this.position = start;
      throw error;
    }
    return values;
  }

  private takeString(format: StringFormat): string | Uint8Array {
    const { codec, unit, size } = format;
    const at = this.position;
    const available = this.remaining;
    const found = size === undefined ? findPad(format, this.bytes, at, this.end) : at;
    if (found === -1) throw new EndOfDataError(at, available + unit, available);
    if (size !== undefined && size > available) throw new EndOfDataError(at, size, available);
    const stop = size === undefined ? found : stripPads(format, this.bytes, at, at + size);
    const bytes = this.bytes.subarray(at, stop);
    const value = codec === null ? bytes : codec.decode(bytes);
    if (typeof value === 'number') {
      const where =
        value === -1
          ? `the ${bytes.length} bytes at offset ${at} are`
          : `the byte at offset ${at + value} is`;
      throw new MalformedError(`${where} not ${codec?.name ?? 'raw'}`, bytes);
    }
    this.position = size === undefined ? found + unit : at + size;
    return value;
  }

  /**
   * The values of one struct. The format is that of Python's `struct` in `<` mode, such as `'3h I
   * 8s'`; `docs/binary.md` lists the letters. `c`, `s` and `p` give views of the data, `q` and `Q`
   * give bigints.
   *
   * Throws {@link EndOfDataError} if fewer bytes are left than the format needs, and a RangeError
   * for a wrong format.
   */
  readStruct(format: string): StructValue[] {
    const layout = structLayout(format);
    return unpack(layout, this.bytes, this.view, this.take(layout.size));
  }

  /**
   * `n` structs of one format, all or none. Throws as {@link BinaryReader.readStruct | readStruct}.
   */
  readStructArray(n: number, format: string): StructValue[][] {
    const layout = structLayout(format);
    if (layout.size === 0)
      throw new RangeError(`the struct format '${format}' takes no bytes, so an array of it has no size`);
    const count = checkCount('the count of an array', n);
    let at = this.take(count * layout.size);
    const rows: StructValue[][] = [];
    for (; rows.length < count; at += layout.size) rows.push(unpack(layout, this.bytes, this.view, at));
    return rows;
  }
}
