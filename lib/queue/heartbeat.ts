import { nextTurn } from '../platform/runtime.js';
import { startTimer } from '../util/wait.js';

/** Counters of a connection. A counter that has changed since the last look shows activity. */
export interface Vitals {
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
  readonly vitals: () => Vitals;
  readonly onQuiet: () => void;
  readonly onDead: () => void;
}

/**
 * Watches a connection: the keepalive interval, and the timeout of a silent peer. The idle timeout
 * of a queue socket is a heartbeat too.
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
    this.#look();
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }

  /** Notes which counters have changed, and returns the time. */
  #look(): number {
    const now = performance.now();
    const { received, sent, paused } = this.#settings.vitals();
    if (received !== this.#received || paused) this.#receivedAt = now;
    if (sent !== this.#sent) this.#sentAt = now;
    this.#received = received;
    this.#sent = sent;
    return now;
  }

  #wait(): void {
    const { interval, timeout } = this.#settings;
    // Looks four times in the shorter time, so an event is late by a quarter of it at most.
    const pause = Math.max(1, Math.min(interval, timeout) / 4);
    // The timer must not keep the process alive: that is up to the socket.
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
    const now = this.#look();
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
