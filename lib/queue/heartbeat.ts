import { nextTurn } from '../platform/runtime.js';
import { startTimer } from '../util/wait.js';

/** Signs of life of a connection, as counters: whatever has changed since the last look has happened since. */
export interface Vitals {
  /** Bytes that came in. */
  readonly received: number;
  /** Bytes that went out. */
  readonly sent: number;
  /** Whether this side does not read, because it holds enough. */
  readonly paused: boolean;
}

/**
 * Looks at a connection from time to time: says when nothing was sent for an interval, and when nothing has come for
 * too long although this side was reading.
 */
export class Heartbeat {
  readonly #vitals: () => Vitals;
  readonly #interval: number;
  readonly #timeout: number;
  readonly #onQuiet: () => void;
  readonly #onDead: () => void;
  #timer: { stop(): void } | undefined;
  #stopped = false;
  #received = -1;
  #sent = -1;
  #heardAt = 0;
  #spokeAt = 0;

  /**
   * @param interval - milliseconds after which `onQuiet` is called if nothing was sent.
   * @param timeout - milliseconds after which `onDead` is called, once, if nothing has come.
   */
  constructor(
    vitals: () => Vitals,
    interval: number,
    timeout: number,
    onQuiet: () => void,
    onDead: () => void,
  ) {
    this.#vitals = vitals;
    this.#interval = interval;
    this.#timeout = timeout;
    this.#onQuiet = onQuiet;
    this.#onDead = onDead;
    this.#look();
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }

  /** Notes what has changed, and gives the time of the look. */
  #look(): number {
    const now = performance.now();
    const { received, sent, paused } = this.#vitals();
    if (received !== this.#received || paused) this.#heardAt = now;
    if (sent !== this.#sent) this.#spokeAt = now;
    this.#received = received;
    this.#sent = sent;
    return now;
  }

  /** A quarter of the shorter time, so that a look is late by no more than that. */
  #wait(): void {
    const pause = Math.max(1, Math.min(this.#interval, this.#timeout) / 4);
    // The socket keeps the process alive, if it should be.
    this.#timer = startTimer(
      () => {
        // Timers come before input: after a long computation, what waits at the door is let in before it is judged.
        nextTurn(() => {
          if (!this.#stopped) this.#check();
        });
      },
      pause,
      false,
    );
  }

  #check(): void {
    const now = this.#look();
    if (now - this.#heardAt >= this.#timeout) {
      this.stop();
      this.#onDead();
      return;
    }
    if (now - this.#spokeAt >= this.#interval) {
      this.#onQuiet();
      this.#spokeAt = now;
    }
    this.#wait();
  }
}
