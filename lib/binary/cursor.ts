import { kindOf } from '../util/bytes.js';
import { show } from './checks.js';

/** For `seek`: the offset counts from the start of the data. */
export const SEEK_SET = 0 as const;
/** For `seek`: the offset counts from the position. */
export const SEEK_CUR = 1 as const;
/** For `seek`: the offset counts from the end of the data. */
export const SEEK_END = 2 as const;

/** Where `seek` counts from. */
export type SeekWhence = typeof SEEK_SET | typeof SEEK_CUR | typeof SEEK_END;

/** A buffer and a position in it: what the reader, the writer and the editor share. */
export abstract class BinaryCursor {
  // Of a writer, the room it has taken: what lies behind `end` is always zeros.
  protected bytes: Uint8Array;
  protected end: number;
  protected position: number;
  private lazyView: DataView | undefined;

  protected constructor(bytes: Uint8Array, end: number, position: number) {
    this.bytes = bytes;
    this.end = end;
    this.position = position;
    this.lazyView = undefined;
  }

  // Made when the first number is read or written: it costs as much as reading a small message of bytes or text.
  protected get view(): DataView {
    this.lazyView ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.lazyView;
  }

  protected rebase(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.lazyView = undefined;
  }

  /**
   * All the bytes, wherever the position is: a view, not a copy.
   *
   * Of a writer or an editor, later writes may change what the view shows, until the buffer has to grow;
   * from then on the view stays as it was. `data.slice()` is a copy that nothing changes.
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

  /** Where a seek leads to, still unchecked against the end. */
  protected target(offset: number, whence: SeekWhence): number {
    if (typeof offset !== 'number') throw new TypeError(`an offset is a number, not ${kindOf(offset)}`);
    const known: readonly unknown[] = [SEEK_SET, SEEK_CUR, SEEK_END];
    if (!known.includes(whence)) {
      throw new RangeError(`whence is SEEK_SET (0), SEEK_CUR (1) or SEEK_END (2), not ${String(whence)}`);
    }
    const from = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? this.position : this.end;
    const target = from + offset;
    if (Number.isInteger(offset) && Number.isSafeInteger(target) && target >= 0) return target;
    throw new RangeError(`a seek by ${show(offset)} from ${from} leads to no position in the data`);
  }

  /** The next multiple of an alignment, the position itself included. */
  protected aligned(alignment: number): number {
    if (typeof alignment !== 'number') {
      throw new TypeError(`an alignment is a number, not ${kindOf(alignment)}`);
    }
    if (!Number.isSafeInteger(alignment) || alignment < 1) {
      throw new RangeError(`an alignment is a whole number from 1 up, not ${show(alignment)}`);
    }
    const over = this.position % alignment;
    return over === 0 ? this.position : this.position + (alignment - over);
  }
}
