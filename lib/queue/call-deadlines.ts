import { startTimer, type Timer } from '../util/wait.js';

/** An item with a deadline. Only {@link CallDeadlines} sets `previous`, `next` and `place`. */
export interface Timed {
  /** Milliseconds on the clock of `performance.now()`. */
  readonly deadline: number;
  /** Milliseconds from its start to its deadline. */
  readonly timeout: number;
  /** Its index in the heap, -2 in the list, -1 in neither. */
  place: number;
  previous: this | undefined;
  next: this | undefined;
}

const inList = -2;
const nowhere = -1;

/**
 * Many deadlines with one timer.
 *
 * Items that have the same timeout as the items before them arrive in the order of their deadlines:
 * a linked list contains them. Items with other timeouts are in a heap.
 *
 * The timer stays armed when its item is removed, so that sequential calls share one timer. While
 * there are no items, it does not keep the process alive. `stop` removes it.
 */
export class CallDeadlines<T extends Timed> {
  readonly #onDue: (item: T) => void;
  #first: T | undefined;
  #last: T | undefined;
  readonly #heap: T[] = [];
  #count = 0;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /** @param onDue - called with each item whose deadline has passed, after its removal. */
  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  /** @param now - the current time, if the caller has it. */
  add(item: T, now: number = performance.now()): void {
    const last = this.#last;
    if (!last || (item.timeout === last.timeout && item.deadline >= last.deadline)) {
      item.place = inList;
      item.previous = last;
      if (last) last.next = item;
      else this.#first = item;
      this.#last = item;
    } else {
      this.#push(item);
    }
    this.#count += 1;
    if (item.deadline < this.#timerAt) this.#arm(item.deadline, now);
    else if (this.#count === 1) this.#timer?.keepAlive(true);
  }

  /** Removes an item, which must have been added. */
  remove(item: T): void {
    if (item.place === inList) {
      const { previous, next } = item;
      if (previous) previous.next = next;
      else this.#first = next;
      if (next) next.previous = previous;
      else this.#last = previous;
      item.previous = undefined;
      item.next = undefined;
    } else {
      this.#take(item);
    }
    item.place = nowhere;
    this.#count -= 1;
    if (this.#count === 0) this.#timer?.keepAlive(false);
  }

  /** Stops the timer. There must be no items. */
  stop(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #arm(deadline: number, now: number): void {
    this.#timer?.stop();
    this.#timerAt = deadline;
    this.#timer = startTimer(
      () => {
        this.#onTimer();
      },
      Math.max(1, Math.ceil(deadline - now)),
    );
  }

  #onTimer(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = performance.now();
    let item = this.#earliest();
    for (; item && item.deadline <= now; item = this.#earliest()) {
      this.remove(item);
      this.#onDue(item);
    }
    if (item && item.deadline < this.#timerAt) this.#arm(item.deadline, now);
  }

  #earliest(): T | undefined {
    const [top] = this.#heap;
    const first = this.#first;
    return !top || (first && first.deadline <= top.deadline) ? first : top;
  }

  #push(item: T): void {
    this.#put(item, this.#heap.length);
    this.#up(item.place);
  }

  #take(item: T): void {
    const { place } = item;
    const last = this.#heap.pop();
    if (!last || last === item) return;
    this.#put(last, place);
    this.#up(place);
    this.#down(last.place);
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
