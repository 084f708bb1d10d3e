import { compact, noBytes, readU32, type Bytes } from '../../util/bytes.js';
import { TooLargeError } from '../../errors.js';
import { allocateUnsafe, freeBuffer, minFreedBytes } from '../../platform/runtime.js';
import { headerLength } from './encoder.js';

/**
 * The buffer of a partial frame is at most this many times as long as its received bytes, and at
 * least `smallest`.
 */
const growth = 64;
const smallest = 1024;

/** Receives the runs that a decoder finds. */
export interface RunSink {
  addRun(run: Bytes): void;
}

/**
 * Cuts a stream of bytes into runs: chunks that hold whole frames, one after another. Frames that
 * are whole in a chunk are not copied, unless they would keep a much larger buffer alive. A frame
 * that spans chunks is gathered in a buffer of its own. That buffer grows with the received bytes,
 * not with the length that the peer announces.
 *
 * No I/O and no promises: bytes in, runs out.
 */
export class FrameDecoder {
  readonly #maxSize: number;
  /** The beginning of a frame that is not whole yet, including its length prefix. */
  #partial: Bytes = noBytes;
  #have = 0;
  /** Length of that frame, including its length prefix; 0 until the length prefix is whole. */
  #want = 0;

  /** @param maxSize - the longest accepted message, in bytes without the length prefix. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Whether the bytes so far end inside a frame. */
  get midFrame(): boolean {
    return this.#have > 0;
  }

  /**
   * Length of the message that has arrived in part, or undefined while its length prefix is not
   * whole.
   */
  get pendingSize(): number | undefined {
    return this.#want > 0 ? this.#want - headerLength : undefined;
  }

  /**
   * Takes the next bytes and gives the runs that they complete to the sink.
   *
   * @param exclusive - nothing else uses the buffer of the chunk: it is freed at once if every byte
   * was copied.
   * @throws TooLargeError at a length prefix over the limit, after the sink has every whole frame
   * before it.
   */
  push(chunk: Bytes, sink: RunSink, exclusive: boolean = false): void {
    const start = this.#have > 0 ? this.#gather(chunk, 0, sink) : 0;
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
        sink.addRun(run);
      }
    }
    if (end < chunk.length) this.#gather(chunk, end, sink);
    if (exclusive && copied && chunk.buffer.byteLength >= minFreedBytes) freeBuffer(chunk.buffer);
  }

  /** Copies the bytes that the partial frame still lacks and returns the index behind them. */
  #gather(chunk: Bytes, from: number, sink: RunSink): number {
    let at = from;
    if (this.#have === 0) this.#partial = new Uint8Array(headerLength);
    if (this.#want === 0) {
      at = this.#copy(chunk, at, headerLength);
      if (this.#have === headerLength) this.#want = this.#frameLength(this.#partial, 0);
    }
    if (this.#want > 0) {
      this.#grow(Math.min(this.#want, this.#have + chunk.length - at));
      at = this.#copy(chunk, at, this.#want);
    }
    if (this.#have === this.#want) {
      const run = this.#partial;
      this.#partial = noBytes;
      this.#have = 0;
      this.#want = 0;
      sink.addRun(run);
    }
    return at;
  }

  /**
   * Copies from the chunk until the partial frame has `total` bytes, and returns the index behind
   * them.
   */
  #copy(chunk: Bytes, from: number, total: number): number {
    const part = chunk.subarray(from, from + total - this.#have);
    this.#partial.set(part, this.#have);
    this.#have += part.length;
    return from + part.length;
  }

  #grow(needed: number): void {
    if (this.#partial.length >= needed) return;
    const grown = allocateUnsafe(Math.min(this.#want, Math.max(smallest, growth * needed)));
    grown.set(this.#partial.subarray(0, this.#have));
    this.#partial = grown;
  }

  #frameLength(bytes: Bytes, offset: number): number {
    const size = readU32(bytes, offset);
    if (size > this.#maxSize) throw new TooLargeError(size, this.#maxSize);
    return headerLength + size;
  }
}
