import { Fifo } from '../util/fifo.js';
import { nextTurn } from '../platform/runtime.js';

/**
 * Milliseconds of work in one turn of the event loop, and of one socket after an exhausted turn.
 */
const turnTime = 10;
const visitTime = 1;
/** Steps between two readings of the clock. */
const stepsPerLook = 32;

/**
 * Shares the event loop fairly between all sockets of the process. Each socket counts its steps
 * here. After about 10 ms in one turn, every socket yields. The sockets continue in a later turn,
 * in order, for about 1 ms each.
 *
 * A socket with a few steps never reads the clock.
 */
export class FairTurns {
  readonly #waiting = new Fifo<() => void>();
  #steps = 0;
  /** Whether `#turnEnd` is set for this turn. The next turn resets it. */
  #metered = false;
  #turnEnd = 0;
  #limit = 0;
  /** Whether this turn has no time left. Only this class changes it. */
  exhausted: boolean = false;

  /** Counts one step. Returns true when the caller must stop and call `wait`. */
  step(): boolean {
    this.#steps += 1;
    if (this.#steps >= stepsPerLook) this.#look();
    return this.exhausted;
  }

  /** Runs a task in a later turn, after the tasks that wait already. */
  wait(task: () => void): void {
    this.#waiting.push(task);
    this.#meter(performance.now());
  }

  #look(): void {
    this.#steps = 0;
    const now = performance.now();
    this.#meter(now);
    this.exhausted = now >= this.#limit;
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
    this.exhausted = false;
    this.#steps = 0;
    if (this.#waiting.length === 0) return;
    let now = performance.now();
    this.#meter(now);
    while (now < this.#turnEnd) {
      const task = this.#waiting.shift();
      if (!task) break;
      this.#limit = Math.min(now + visitTime, this.#turnEnd);
      this.exhausted = false;
      task();
      now = performance.now();
    }
    this.#limit = this.#turnEnd;
    this.exhausted = now >= this.#turnEnd;
  }
}

/** One object for the process: many sockets together get no more time than one socket. */
export const fairTurns: FairTurns = new FairTurns();
