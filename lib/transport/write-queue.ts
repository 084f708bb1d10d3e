import { allocateUnsafe } from '../platform/runtime.js';
import { type Bytes, viewOf } from '../util/bytes.js';
import { Fifo } from '../util/fifo.js';

interface Write {
  readonly parts: readonly Bytes[];
  readonly done: (() => void) | undefined;
}

/** Bytes copied out of the queue, and the callbacks of the writes that end with them. */
export interface Taken {
  readonly chunk: Bytes;
  readonly done: readonly (() => void)[];
}

/**
 * Writes that the carrier has no room for yet. Their memory stays borrowed, so the queue itself
 * holds no bytes.
 */
export class WriteQueue {
  readonly #writes = new Fifo<Write>();
  #length = 0;
  /** The position in the first write. */
  #part = 0;
  #offset = 0;

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  push(parts: readonly Bytes[], done: (() => void) | undefined): void {
    this.#writes.push({ parts, done });
    for (const part of parts) this.#length += part.length;
  }

  /** Copies the next bytes, `limit` at most, into a chunk of their own. Short writes share one. */
  take(limit: number): Taken {
    const chunk = allocateUnsafe(Math.min(limit, this.#length));
    const done: (() => void)[] = [];
    let filled = 0;
    for (let write = this.#writes.peek(); write; write = this.#writes.peek()) {
      const part = write.parts[this.#part];
      if (part === undefined) {
        this.#writes.shift();
        this.#part = 0;
        if (write.done) done.push(write.done);
        continue;
      }
      const end = Math.min(part.length, this.#offset + chunk.length - filled);
      chunk.set(viewOf(part, this.#offset, end), filled);
      filled += end - this.#offset;
      this.#offset = end;
      if (end < part.length) break;
      this.#part += 1;
      this.#offset = 0;
    }
    this.#length -= filled;
    return { chunk, done };
  }

  clear(): void {
    this.#writes.clear();
    this.#length = 0;
    this.#part = 0;
    this.#offset = 0;
  }
}
