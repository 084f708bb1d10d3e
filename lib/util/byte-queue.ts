import { type Bytes, concatBytes, noBytes, readU32 } from './bytes.js';

/**
 * Shorter chunks are copied. A view of a few bytes would keep its whole buffer, often 64 KiB, in
 * memory.
 */
const short = 4096;
const firstSpare = 1024;
// Frozen, because all empty queues share it.
const none = Object.freeze<Bytes[]>([]) as Bytes[];

/**
 * Holds received bytes until they are whole units. Its memory grows with the bytes that have
 * arrived, never with an announced length. Many small chunks are joined into few larger ones.
 */
export class ByteQueue {
  #items: Bytes[] = none;
  /** The buffer of the last item, if this queue allocated it. It has room after the item. */
  #spare: Bytes | undefined;
  /** Bytes in the queue. Only this class changes it. */
  size = 0;

  /** The queue keeps the chunk until it is taken or {@link settle} has copied it. */
  push(chunk: Bytes): void {
    if (chunk.length === 0) return;
    if (this.size > 0 && chunk.length < short) {
      this.#append(chunk);
    } else {
      // V8 reserves room for 17 items at the first push to an empty array, and most queues hold one
      // chunk.
      if (this.#items.length === 0) this.#items = [chunk];
      else this.#items.push(chunk);
      this.#spare = undefined;
    }
    this.size += chunk.length;
  }

  /** Copies a short remainder out of its chunk. Call it when all whole units are taken. */
  settle(): void {
    const last = this.#items.at(-1);
    if (!last || this.#spare || last.length >= short) return;
    this.#items.pop();
    this.#append(last);
  }

  /** The next four bytes as a length; undefined if there are fewer. */
  peekLength(): number | undefined {
    if (this.size < 4) return undefined;
    const [first] = this.#items;
    if (first && first.length >= 4) return readU32(first, 0);
    return readU32(concatBytes(this.#items.slice(0, 4)).subarray(0, 4), 0);
  }

  /** Takes bytes as the pieces that arrived. The caller has checked that there are enough. */
  take(length: number): Bytes[] {
    const taken: Bytes[] = [];
    let wanted = length;
    while (wanted > 0) {
      const first = this.#items[0];
      if (!first) break;
      if (first.length > wanted) {
        taken.push(first.subarray(0, wanted));
        this.#items[0] = first.subarray(wanted);
        wanted = 0;
      } else {
        taken.push(first);
        this.#items.shift();
        wanted -= first.length;
      }
    }
    this.size -= length;
    if (this.#items.length === 0) {
      this.#items = none;
      this.#spare = undefined;
    }
    return taken;
  }

  /** Takes the first piece, or the first `limit` bytes of it. The caller has checked the size. */
  next(limit: number): Bytes {
    return this.take(Math.min(limit, this.#items[0]?.length ?? 0))[0] ?? noBytes;
  }

  /** Takes all bytes. */
  drain(): Bytes[] {
    return this.take(this.size);
  }

  #append(chunk: Bytes): void {
    const last = this.#spare && this.#items.pop();
    const kept = last?.length ?? 0;
    const start = this.#spare && last ? last.byteOffset - this.#spare.byteOffset : 0;
    if (this.#spare && start + kept + chunk.length <= this.#spare.length) {
      this.#spare.set(chunk, start + kept);
      this.#items.push(this.#spare.subarray(start, start + kept + chunk.length));
      return;
    }
    this.#spare = new Uint8Array(Math.max(firstSpare, 2 * (kept + chunk.length)));
    if (last) this.#spare.set(last);
    this.#spare.set(chunk, kept);
    this.#items.push(this.#spare.subarray(0, kept + chunk.length));
  }
}
