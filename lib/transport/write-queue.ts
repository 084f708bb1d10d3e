import { viewOf, type Bytes } from '../util/bytes.js';
import { Fifo } from '../util/fifo.js';

interface Write {
  readonly parts: readonly Bytes[];
  readonly done: (() => void) | undefined;
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

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  push(parts: readonly Bytes[], done: (() => void) | undefined): void {
    this.#writes.push({ parts, done });
    for (const part of parts) this.#length += part.length;
  }

  /**
   * Moves the next bytes of the queue to the target, from an offset to its end. Short writes share
   * the target. Returns the callbacks of the writes that end there.
   */
  fill(target: Bytes, from: number): readonly (() => void)[] {
    const done: (() => void)[] = [];
    let filled = from;
    for (let write = this.#writes.peek(); write; write = this.#writes.peek()) {
      const part = write.parts[this.#part];
      if (part === undefined) {
        this.#writes.shift();
        this.#part = 0;
        if (write.done) done.push(write.done);
        continue;
      }
      const end = Math.min(part.length, this.#offset + target.length - filled);
      target.set(end - this.#offset === part.length ? part : viewOf(part, this.#offset, end), filled);
      filled += end - this.#offset;
      this.#offset = end;
      if (end < part.length) break;
      this.#part += 1;
      this.#offset = 0;
    }
    this.#length -= filled - from;
    return done;
  }

  clear(): void {
    this.#writes.clear();
    this.#length = 0;
    this.#part = 0;
    this.#offset = 0;
  }
}
