import { nextTurn } from '../platform/runtime.js';
import { startTimer } from '../util/wait.js';

/** Counters of a connection. A counter that has changed since the last check shows activity. */
export interface ActivityCounters {
  /** Bytes that arrived. */
  readonly received: number;
  /** Bytes that were sent. */
  readonly sent: number;
  /** Whether this side has stopped reading because of backpressure. */
  readonly paused: boolean;
}

/** The limits, counters and events of a heartbeat. */
export interface HeartbeatSettings {
  /** Milliseconds after which `onQuiet` is called if nothing was sent. */
  readonly interval: number;
  /** Milliseconds after which `onDead` is called, once, if nothing has arrived. */
  readonly timeout: number;
  readonly counters: () => ActivityCounters;
  readonly onQuiet: () => void;
  readonly onDead: () => void;
}

/**
 * Checks a connection for the keepalive interval and for the timeout of a silent peer. The idle
 * timeout of a queue socket is a heartbeat too.
 */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  #timer: { stop(): void } | undefined;
  #stopped = false;
  #received = -1;
  #sent = -1;
  #receivedAt = 0;
  #sentAt = 0;

  constructor(settings: HeartbeatSettings) {
    this.#settings = settings;
    this.#sample();
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }

  /** Records the counters and the time at which each has changed. Returns the current time. */
  #sample(): number {
    const now = performance.now();
    const { received, sent, paused } = this.#settings.counters();
    if (received !== this.#received || paused) this.#receivedAt = now;
    if (sent !== this.#sent) this.#sentAt = now;
    this.#received = received;
    this.#sent = sent;
    return now;
  }

  #wait(): void {
    const { interval, timeout } = this.#settings;
    // Checks four times in the shorter time, so an event is late by at most a quarter of it.
    const pause = Math.max(1, Math.min(interval, timeout) / 4);
    // The timer must not keep the process alive: `ref` and `unref` of the socket decide that.
    this.#timer = startTimer(
      () => {
        // Timers run before I/O, so read pending input before declaring the peer dead.
        nextTurn(() => {
          if (!this.#stopped) this.#check();
        });
      },
      pause,
      false,
    );
  }

  #check(): void {
    const { interval, timeout, onQuiet, onDead } = this.#settings;
    const now = this.#sample();
    if (now - this.#receivedAt >= timeout) {
      this.stop();
      onDead();
      return;
    }
    if (now - this.#sentAt >= interval) {
      onQuiet();
      this.#sentAt = now;
    }
    this.#wait();
  }
}
