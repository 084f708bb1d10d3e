// Frozen, because all empty queues share it.
const none = Object.freeze<never[]>([]) as never[];

/** A first-in, first-out queue whose `shift` costs the same at any length. */
export class Fifo<T> {
  #items: (T | undefined)[] = none;
  #head = 0;
  #obsolete = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    // Most queues hold at most one item, and a push onto an empty array reserves room for 17.
    if (this.#items.length === 0) this.#items = [item];
    else this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.#items.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Removes one item at any position; false if it is not in the queue. */
  remove(item: T): boolean {
    const index = this.#items.indexOf(item, this.#head);
    if (index < 0) return false;
    this.#items.splice(index, 1);
    if (this.#head === this.#items.length) this.clear();
    return true;
  }

  /**
   * Notes that an item became obsolete while it waits. Removes all obsolete items once they may be
   * half of the queue, so that the cost of each one is bounded.
   *
   * @returns how many items were removed.
   */
  obsolete(isObsolete: (item: T) => boolean): number {
    this.#obsolete += 1;
    const before = this.length;
    if (this.#obsolete < 64 || this.#obsolete * 2 < before) return 0;
    this.#obsolete = 0;
    this.#items = (this.#items.slice(this.#head) as T[]).filter((item) => !isObsolete(item));
    this.#head = 0;
    if (this.#items.length === 0) this.clear();
    return before - this.length;
  }

  clear(): void {
    this.#items = none;
    this.#head = 0;
    this.#obsolete = 0;
  }
}
