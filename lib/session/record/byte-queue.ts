import { type Bytes, concatBytes, readU32 } from '../../util/bytes.js';

/** A chunk shorter than this is copied rather than kept: a view of a few bytes may hold 64 KiB of memory. */
const short = 4096;
const firstSpare = 1024;
// Frozen, because all queues share it.
const none = Object.freeze<Bytes[]>([]) as Bytes[];

/**
 * Received bytes, waiting to be whole units. Takes memory for bytes that have come, never for a length that was
 * announced; many tiny chunks become few larger ones.
 */
export class ByteQueue {
  #items: Bytes[] = none;
  /** The buffer that the last item lies in, if it is one of ours, with room behind it. */
  #spare: Bytes | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The queue keeps the chunk until it is taken or {@link settle} has copied it. */
  push(chunk: Bytes): void {
    if (chunk.length === 0) return;
    if (this.#size > 0 && chunk.length < short) {
      this.#append(chunk);
    } else {
      // An empty array that is pushed onto takes room for seventeen, and most connections wait for one chunk.
      if (this.#items.length === 0) this.#items = [chunk];
      else this.#items.push(chunk);
      this.#spare = undefined;
    }
    this.#size += chunk.length;
  }

  /** To be called when all that is whole has been taken: a short rest is copied out of the chunk it came in. */
  settle(): void {
    const last = this.#items.at(-1);
    if (!last || this.#spare || last.length >= short) return;
    this.#items.pop();
    this.#append(last);
  }

  /** The next four bytes as a number, or undefined while they are not there. */
  peekLength(): number | undefined {
    if (this.#size < 4) return undefined;
    const [first] = this.#items;
    if (first && first.length >= 4) return readU32(first, 0);
    return readU32(concatBytes(this.#items.slice(0, 4)).subarray(0, 4), 0);
  }

  /** The next bytes in the pieces they came in; the caller has checked that they are there. */
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
    this.#size -= length;
    if (this.#items.length === 0) {
      this.#items = none;
      this.#spare = undefined;
    }
    return taken;
  }

  /** All that is left. */
  drain(): Bytes[] {
    return this.take(this.#size);
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
