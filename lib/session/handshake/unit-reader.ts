import { type Bytes, concatBytes } from '../../util/bytes.js';
import type { K4netError } from '../../errors.js';
import { ByteQueue } from '../record/byte-queue.js';

/** Cuts received bytes into the units of a handshake. What is left when it is done belongs to the record layer. */
export class UnitReader {
  readonly #queue = new ByteQueue();
  #length: number | undefined;

  get pending(): number {
    return this.#queue.size;
  }

  push(chunk: Bytes): void {
    this.#queue.push(chunk);
  }

  /**
   * The body of the next unit, undefined while it is not whole, or the error of its length.
   *
   * @param check - is asked once a unit, as soon as its length is there.
   */
  next(check: (length: number) => K4netError | undefined): Bytes | K4netError | undefined {
    if (this.#length === undefined) {
      const length = this.#queue.peekLength();
      const refused = length === undefined ? undefined : check(length);
      if (refused) return refused;
      this.#length = length;
    }
    const length = this.#length;
    if (length === undefined || this.#queue.size < 4 + length) {
      this.#queue.settle();
      return undefined;
    }
    this.#length = undefined;
    // A copy: the body of a message outlives the chunk it came in, which may hold far more.
    return concatBytes(this.#queue.take(4 + length)).subarray(4);
  }

  /** The bytes behind the last unit. */
  rest(): Bytes[] {
    return this.#queue.drain();
  }
}
