import { Fifo } from '../util/fifo.js';
import { nextTurn } from '../platform/runtime.js';

/** Milliseconds of work in one turn of the event loop, and in one visit of a socket. */
const turnTime = 10;
const visitTime = 1;
/** Steps between two looks at the clock. */
const stepsPerLook = 32;

/**
 * Shares the event loop between all sockets that have much to do. They count their steps; after about 10 ms in one
 * turn each of them stops, and goes on in a later turn, one after the other, for about 1 ms each.
 *
 * A socket with a few steps never meets the clock.
 */
export class FairTurns {
  readonly #waiting = new Fifo<() => void>();
  #steps = 0;
  /** Whether the end of this turn is known: a later turn resets everything. */
  #metered = false;
  #turnEnd = 0;
  #limit = 0;
  #exhausted = false;

  /** Whether this turn has no time left. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  /** Counts one step; true when the caller has to stop and to `wait`. */
  step(): boolean {
    this.#steps += 1;
    if (this.#steps >= stepsPerLook) this.#look();
    return this.#exhausted;
  }

  /** Runs a task in a later turn, after those that wait already. */
  wait(task: () => void): void {
    this.#waiting.push(task);
    this.#meter(performance.now());
  }

  #look(): void {
    this.#steps = 0;
    const now = performance.now();
    this.#meter(now);
    this.#exhausted = now >= this.#limit;
  }

  #meter(now: number): void {
    if (this.#metered) return;
    this.#metered = true;
    this.#turnEnd = now + turnTime;
    this.#limit = this.#turnEnd;
    nextTurn(() => {
      this.#nextTurn();
    });
  }

  #nextTurn(): void {
    this.#metered = false;
    this.#exhausted = false;
    this.#steps = 0;
    if (this.#waiting.length === 0) return;
    let now = performance.now();
    this.#meter(now);
    while (now < this.#turnEnd) {
      const task = this.#waiting.shift();
      if (!task) break;
      this.#limit = Math.min(now + visitTime, this.#turnEnd);
      this.#exhausted = false;
      task();
      now = performance.now();
    }
    this.#limit = this.#turnEnd;
    this.#exhausted = now >= this.#turnEnd;
  }
}

/** The one of this process: many sockets together get no more than one. */
export const fairTurns: FairTurns = new FairTurns();
