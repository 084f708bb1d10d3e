import { kindOf } from '../util/bytes.js';

/** For `seek`: the offset counts from the start of the data. */
export const SEEK_SET = 0 as const;
/** For `seek`: the offset counts from the position. */
export const SEEK_CUR = 1 as const;
/** For `seek`: the offset counts from the end of the data. */
export const SEEK_END = 2 as const;

/** Where `seek` counts from. */
export type SeekWhence = typeof SEEK_SET | typeof SEEK_CUR | typeof SEEK_END;

/** A buffer with a position. Base class of reader, writer and editor. */
export abstract class BinaryCursor {
  // The buffer of a writer is larger than its data. All bytes after `end` are zeros.
  // Declared only, because class fields cost one more call for each instance.
  declare protected bytes: Uint8Array;
  declare protected end: number;
  declare protected position: number;
  declare private lazyView: DataView | undefined;

  protected constructor(bytes: Uint8Array, end: number, position: number) {
    this.bytes = bytes;
    this.end = end;
    this.position = position;
    this.lazyView = undefined;
  }

  // Created on first use: its creation costs as much as reading a short message. The most frequent
  // values (booleans, integers of 8 and 32 bits) do not use it.
  protected get view(): DataView {
    this.lazyView ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.lazyView;
  }

  protected rebase(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.lazyView = undefined;
  }

  /**
   * All bytes, independent of the position. A view, not a copy.
   *
   * Later writes of a writer or an editor change the view until the buffer grows; then the view
   * keeps the old bytes. Use `data.slice()` for a copy.
   */
  get data(): Uint8Array {
    return this.bytes.subarray(0, this.end);
  }

  /** The number of bytes in `data`. */
  get length(): number {
    return this.end;
  }

  /** The position: bytes from the start of the data. */
  tell(): number {
    return this.position;
  }

  /** The target of a seek, not yet checked against the end. */
  protected target(offset: number, whence: SeekWhence): number {
    if (typeof offset !== 'number') throw new TypeError(`an offset must be a number, not ${kindOf(offset)}`);
    const known: readonly unknown[] = [SEEK_SET, SEEK_CUR, SEEK_END];
    if (!known.includes(whence)) {
      throw new RangeError(
        `whence must be SEEK_SET (0), SEEK_CUR (1) or SEEK_END (2), not ${String(whence)}`,
      );
    }
    const from = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? this.position : this.end;
    const target = from + offset;
    if (Number.isInteger(offset) && Number.isSafeInteger(target) && target >= 0) return target;
    throw new RangeError(
      `cannot seek by ${show(offset)} from ${from}: the position is before the start of the data`,
    );
  }

  /** The next multiple of an alignment; the position itself if it is one. */
  protected aligned(alignment: number): number {
    if (typeof alignment !== 'number') {
      throw new TypeError(`an alignment must be a number, not ${kindOf(alignment)}`);
    }
    if (!Number.isSafeInteger(alignment) || alignment < 1) {
      throw new RangeError(`an alignment must be a whole number from 1 up, not ${show(alignment)}`);
    }
    const over = this.position % alignment;
    return over === 0 ? this.position : this.position + (alignment - over);
  }
}

/**
 * Largest size of a writer or an editor: the longest message that the length prefix can express.
 */
export const maxLength: number = 0xffff_ffff;

/** A number for an error message, cut to 40 characters: a bigint may have a million digits. */
export function show(value: number | bigint): string {
  const text = String(value);
  return text.length <= 40 ? text : `${text.slice(0, 40)}...`;
}

/** A count of elements or bytes. */
export function checkCount(what: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${what} must be a number, not ${kindOf(value)}`);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`${what} must be a whole number from 0 up, not ${value}`);
}

/** Accepts an array or a typed array only: a string has a length and elements too. */
export function checkArray<T>(what: string, values: ArrayLike<T>): ArrayLike<T> {
  const given: unknown = values;
  if (Array.isArray(given) || (ArrayBuffer.isView(given) && !(given instanceof DataView))) return values;
  throw new TypeError(`${what} must be an array, not ${kindOf(given)}`);
}

/** The initial bytes as a plain Uint8Array. The `slice` of Node's `Buffer` does not copy. */
export function plainBytes(what: string, data: unknown): Uint8Array {
  if (data instanceof Uint8Array && data.constructor === Uint8Array) return data;
  if (data instanceof Uint8Array) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new TypeError(`${what} takes a Uint8Array or an ArrayBuffer, not ${kindOf(data)}`);
}
