/** Milliseconds between two questions to a peer that may be gone. */
const probeInterval = 400;
/** Milliseconds after which a peer is gone for which NATS says that nobody listens. */
const goneAfter = 3_000;

/** The limits on silence, in milliseconds. */
export interface HeartbeatTimes {
  /** Silence after which this side asks the peer. */
  readonly interval: number;
  /** Silence after which the peer counts as dead. */
  readonly timeout: number;
}

/** `ask`: send a question now. `gone`: nobody listens. `silent`: nothing came for too long. */
export type Verdict = 'ask' | 'gone' | 'silent' | undefined;

/** Whether the peer of a session is alive. No I/O and no clock here. */
export class Liveness {
  readonly #times: HeartbeatTimes;
  #heardAt: number;
  #askedAt = -Infinity;
  /** Since when NATS says that nobody listens; undefined if the peer was heard after that. */
  #doubtedAt: number | undefined;

  constructor(times: HeartbeatTimes, now: number) {
    this.#times = times;
    this.#heardAt = now;
  }

  /** When `judge` has something to say. */
  get due(): number {
    const { interval, timeout } = this.#times;
    if (this.#doubtedAt !== undefined) {
      return Math.min(this.#askedAt + probeInterval, this.#doubtedAt + goneAfter);
    }
    const ask = Math.max(this.#heardAt + interval, this.#askedAt + interval / 2);
    return Math.min(ask, this.#heardAt + timeout);
  }

  /** Whether NATS says that nobody listens, and nothing came from the peer since. */
  get isDoubted(): boolean {
    return this.#doubtedAt !== undefined;
  }

  /** A frame of the peer has come. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#doubtedAt = undefined;
  }

  /** Whether the last question is long enough ago for another one. */
  mayAsk(now: number): boolean {
    return now >= this.#askedAt + probeInterval;
  }

  /** This side has asked the peer. */
  asked(now: number): void {
    this.#askedAt = now;
  }

  /** NATS says that nobody listens. Returns whether that is news. */
  doubt(now: number): boolean {
    if (this.#doubtedAt !== undefined) return false;
    this.#doubtedAt = now;
    return true;
  }

  /** This process was stopped for some time, in which it could not hear anything. */
  forgive(milliseconds: number): void {
    this.#heardAt += milliseconds;
    if (this.#doubtedAt !== undefined) this.#doubtedAt += milliseconds;
  }

  judge(now: number): Verdict {
    if (this.#doubtedAt !== undefined && now >= this.#doubtedAt + goneAfter) return 'gone';
    if (now >= this.#heardAt + this.#times.timeout) return 'silent';
    return now >= this.due ? 'ask' : undefined;
  }
}
