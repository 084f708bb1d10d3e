import { viewOf, type Bytes } from '../util/bytes.js';
import { Fifo } from '../util/fifo.js';
import { nextTurn } from '../platform/runtime.js';

/** A call of `write` whose bytes are not all sent. */
interface Write {
  readonly parts: readonly Bytes[];
  readonly done: (() => void) | undefined;
  /** Bytes that are not sent. */
  left: number;
  /** The first part that is not sent whole, and how much of it is sent. */
  part: number;
  offset: number;
}

/** Borrowed bytes that wait to be sent, and the callbacks of those that are sent. */
export class WriteQueue {
  readonly #writes = new Fifo<Write>();
  /** They run in the next turn. */
  #done: (() => void)[] = [];
  #cleared = false;

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** Bytes of the first write that are not sent. */
  get next(): number {
    return this.#writes.peek()?.left ?? 0;
  }

  push(parts: readonly Bytes[], done: (() => void) | undefined): void {
    let left = 0;
    for (const part of parts) left += part.length;
    this.#writes.push({ parts, done, left, part: 0, offset: 0 });
  }

  /** Copies bytes of the first write, which has so many, to the end of the target. */
  fill(target: Bytes, from: number): void {
    const write = this.#writes.peek();
    if (!write) return;
    for (let at = from; at < target.length;) {
      const part = write.parts[write.part];
      if (!part) break;
      const end = Math.min(part.length, write.offset + target.length - at);
      target.set(end - write.offset === part.length ? part : viewOf(part, write.offset, end), at);
      at += end - write.offset;
      write.offset = end;
      if (end < part.length) break;
      write.part += 1;
      write.offset = 0;
    }
    write.left -= target.length - from;
    if (write.left > 0) return;
    this.#writes.shift();
    if (write.done) this.#finish(write.done);
  }

  /** Drops the writes and the callbacks, for ever. */
  clear(): void {
    this.#cleared = true;
    this.#writes.clear();
  }

  #finish(done: () => void): void {
    this.#done.push(done);
    if (this.#done.length > 1) return;
    nextTurn(() => {
      const callbacks = this.#done;
      this.#done = [];
      for (const callback of callbacks) {
        if (this.#cleared) return;
        callback();
      }
    });
  }
}
