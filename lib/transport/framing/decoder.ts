import { compact, readU32, type Bytes } from '../../util/bytes.js';
import { TooLargeError } from '../../errors.js';
import { allocateUnsafe, freeBuffer, minFreedBytes } from '../../platform/runtime.js';
import { headerLength } from './encoder.js';

/** A buffer for a part of a message is at most this many times what has come of it, and at least `smallest`. */
const growth = 64;
const smallest = 1024;

/**
 * Cuts a stream of bytes into runs: chunks that hold whole frames, one after another. Frames that lie whole in a chunk
 * stay where they are, unless they would keep a much larger buffer alive: then they are copied. A frame that spans
 * chunks is gathered in a buffer that grows with the bytes that have come.
 *
 * No I/O and no promises: bytes in, runs out.
 */
export class FrameDecoder {
  readonly #maxSize: number;
  /** The start of a frame that is not whole yet, header included. */
  #partial: Bytes | undefined;
  #have = 0;
  /** Length of that frame, header included; unknown (0) until the header is whole. */
  #want = 0;

  /** @param maxSize - the longest message that is accepted, in bytes without the header. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Whether the bytes so far end inside a frame. */
  get midFrame(): boolean {
    return this.#have > 0;
  }

  /** Length of the message that is coming in, or undefined while its header is not whole. */
  get pendingSize(): number | undefined {
    return this.#want > 0 ? this.#want - headerLength : undefined;
  }

  /**
   * Takes the next bytes and appends the runs that they complete.
   *
   * @param alone - nobody else has anything of the chunk's buffer: it is given back if all of it was copied.
   * @throws TooLargeError at a header over the limit, when all whole frames before it are in `runs`.
   */
  push(chunk: Bytes, runs: Bytes[], alone: boolean = false): void {
    const start = this.#have > 0 ? this.#gather(chunk, 0, runs) : 0;
    let end = start;
    let copied = true;
    try {
      while (chunk.length - end >= headerLength) {
        const next = end + this.#frameLength(chunk, end);
        if (next > chunk.length) break;
        end = next;
      }
    } finally {
      if (end > start) {
        const view = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
        const run = compact(view);
        copied = run !== view;
        runs.push(run);
      }
    }
    if (end < chunk.length) this.#gather(chunk, end, runs);
    if (alone && copied && chunk.buffer.byteLength >= minFreedBytes) freeBuffer(chunk.buffer);
  }

  /** Takes what the unfinished frame still wants and returns where in the chunk it stopped. */
  #gather(chunk: Bytes, from: number, runs: Bytes[]): number {
    let at = from;
    let partial = this.#partial ?? new Uint8Array(headerLength);
    const take = (length: number): void => {
      const part = chunk.subarray(at, at + length);
      partial.set(part, this.#have);
      at += part.length;
      this.#have += part.length;
    };
    if (this.#want === 0) {
      take(headerLength - this.#have);
      if (this.#have === headerLength) this.#want = this.#frameLength(partial, 0);
    }
    if (this.#want > 0) {
      const rest = Math.min(this.#want - this.#have, chunk.length - at);
      partial = this.#grown(partial, this.#have + rest);
      take(rest);
    }
    this.#partial = partial;
    if (this.#have === this.#want) {
      runs.push(partial);
      this.#partial = undefined;
      this.#have = 0;
      this.#want = 0;
    }
    return at;
  }

  #grown(partial: Bytes, needed: number): Bytes {
    if (partial.length >= needed) return partial;
    const grown = allocateUnsafe(Math.min(this.#want, Math.max(smallest, growth * needed)));
    grown.set(partial.subarray(0, this.#have));
    return grown;
  }

  #frameLength(bytes: Bytes, offset: number): number {
    const size = readU32(bytes, offset);
    if (size > this.#maxSize) throw new TooLargeError(size, this.#maxSize);
    return headerLength + size;
  }
}
