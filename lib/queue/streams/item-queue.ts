import { nextTurn } from '../../platform/runtime.js';
import { viewOf, type Bytes } from '../../util/bytes.js';
import { Fifo } from '../../util/fifo.js';

/** The longest item that shares a buffer with others. */
const maxPacked = 2048;
/** Bytes of a shared buffer. */
const packSize = 16 * 1024;
const firstPackSize = 256;

/**
 * The items that wait for their consumer. An item that arrives is a view of a larger buffer, and a
 * view alone needs about 200 bytes. A consumer that keeps up takes it in the same turn. Later the
 * items that still wait are copied, small ones together, so that they need about the memory that
 * they count in the window.
 */
export class ItemQueue {
  readonly #kept = new Fifo<Bytes | Pack>();
  /** The items of this turn. */
  readonly #recent = new Fifo<Bytes>();
  /** The last of the kept items, if it takes more. */
  #pack: Pack | undefined;
  #scheduled = false;

  get isEmpty(): boolean {
    return this.#recent.length === 0 && this.#kept.length === 0;
  }

  push(item: Bytes): void {
    this.#recent.push(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    nextTurn(() => {
      this.#scheduled = false;
      for (let each = this.#recent.shift(); each; each = this.#recent.shift()) this.#keep(each);
    });
  }

  shift(): Bytes | undefined {
    const first = this.#kept.peek();
    if (!first) return this.#recent.shift();
    const item = first instanceof Pack ? first.shift() : first;
    if (first instanceof Pack && !first.isEmpty) return item;
    this.#kept.shift();
    if (first === this.#pack) this.#pack = undefined;
    return item;
  }

  clear(): void {
    this.#kept.clear();
    this.#recent.clear();
    this.#pack = undefined;
  }

  #keep(item: Bytes): void {
    if (item.length > maxPacked) {
      const own = item.buffer.byteLength - item.length < firstPackSize;
      this.#kept.push(own ? item : new Uint8Array(item));
      this.#pack = undefined;
      return;
    }
    if (this.#pack?.add(item) === true) return;
    this.#pack = new Pack();
    this.#pack.add(item);
    this.#kept.push(this.#pack);
  }
}

/** Items in one buffer. */
class Pack {
  #bytes: Bytes = new Uint8Array(firstPackSize);
  readonly #ends: number[] = [];
  #end = 0;
  /** The index of the first item that was not taken, and its start. */
  #next = 0;
  #start = 0;

  get isEmpty(): boolean {
    return this.#next === this.#ends.length;
  }

  /** Copies an item; false if there is no room. */
  add(item: Bytes): boolean {
    const end = this.#end + item.length;
    if (end > packSize || this.#ends.length === packSize) return false;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(item, this.#end);
    this.#ends.push(end);
    this.#end = end;
    return true;
  }

  shift(): Bytes {
    const start = this.#start;
    this.#start = this.#ends[this.#next] ?? this.#end;
    this.#next += 1;
    return viewOf(this.#bytes, start, this.#start);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.min(packSize, Math.max(needed, 2 * this.#bytes.length)));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}
