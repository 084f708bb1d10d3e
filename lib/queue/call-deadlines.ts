import { startTimer } from '../util/wait.js';

/** Something that has to be done by a certain time. */
export interface Timed {
  /** Milliseconds on the clock of `performance.now()`. */
  readonly deadline: number;
  /** Its place among the others, -1 when it is not there; for {@link CallDeadlines} only. */
  place: number;
}

/**
 * Many deadlines with one timer: a heap whose entries know their place, so that one that is met leaves at once. The
 * timer may be early for what is left, and is then set again; there is none while there is nothing to wait for.
 */
export class CallDeadlines<T extends Timed> {
  readonly #heap: T[] = [];
  readonly #onDue: (item: T) => void;
  #timer: { stop(): void } | undefined;
  #timerAt = Infinity;

  /** @param onDue - called with each item whose time has come; it has left by then. */
  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  add(item: T): void {
    this.#put(item, this.#heap.length);
    this.#up(item.place);
    if (item.deadline < this.#timerAt) this.#arm(item.deadline);
  }

  /** Takes an item out that is in. */
  remove(item: T): void {
    const { place } = item;
    item.place = -1;
    const last = this.#heap.pop();
    if (last && last !== item) {
      this.#put(last, place);
      this.#up(place);
      this.#down(last.place);
    }
    if (this.#heap.length === 0) this.#disarm();
  }

  #arm(deadline: number): void {
    this.#timer?.stop();
    this.#timerAt = deadline;
    this.#timer = startTimer(
      () => {
        this.#ring();
      },
      Math.max(1, Math.ceil(deadline - performance.now())),
    );
  }

  #disarm(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #ring(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = performance.now();
    for (let first = this.#heap[0]; first && first.deadline <= now; first = this.#heap[0]) {
      this.remove(first);
      this.#onDue(first);
    }
    const next = this.#heap[0];
    if (next && next.deadline < this.#timerAt) this.#arm(next.deadline);
  }

  #put(item: T, place: number): void {
    this.#heap[place] = item;
    item.place = place;
  }

  #up(from: number): void {
    const item = this.#heap[from];
    if (!item) return;
    let place = from;
    while (place > 0) {
      const above = this.#heap[(place - 1) >> 1];
      if (!above || above.deadline <= item.deadline) break;
      const free = above.place;
      this.#put(above, place);
      place = free;
    }
    this.#put(item, place);
  }

  #down(from: number): void {
    const item = this.#heap[from];
    if (!item) return;
    let place = from;
    for (;;) {
      const left = this.#heap[2 * place + 1];
      const right = this.#heap[2 * place + 2];
      const below = right && left && right.deadline < left.deadline ? right : left;
      if (!below || below.deadline >= item.deadline) break;
      const free = below.place;
      this.#put(below, place);
      place = free;
    }
    this.#put(item, place);
  }
}
