import { K4netError } from '../errors.js';
import { Deferred } from '../util/wait.js';

/** RSA decryptions at a time, and how many more may wait: a flood of handshakes must not starve live sessions. */
const atOnce = 2;
const maxWaiting = 64;

/**
 * The RSA decryptions of one server, with the limits of "Limits" in docs/protocol.md. Origins take turns, and when too
 * many wait, the origin with the most gives up its newest: no origin keeps the others from their turn.
 */
export class DecryptQueue {
  /** By origin; the first one has the next turn. */
  readonly #waiting = new Map<string, Deferred<void>[]>();
  #length = 0;
  #running = 0;

  /**
   * Runs a job in its turn. Rejects with `K4NET_BUSY` when too many wait, and with what the job rejects with.
   *
   * @param origin - whose jobs take turns with those of the others.
   */
  async run<T>(origin: string, job: () => Promise<T>): Promise<T> {
    if (this.#running < atOnce) this.#running += 1;
    else await this.#turn(origin);
    try {
      return await job();
    } finally {
      this.#next();
    }
  }

  #turn(origin: string): Promise<void> {
    const own = this.#waiting.get(origin) ?? [];
    if (this.#length >= maxWaiting) this.#makeRoom(own.length);
    const turn = new Deferred<void>();
    own.push(turn);
    this.#waiting.set(origin, own);
    this.#length += 1;
    return turn.promise;
  }

  /** @throws K4netError `K4NET_BUSY` if no origin has at least two more jobs than the one that wants to wait. */
  #makeRoom(own: number): void {
    let most: Deferred<void>[] = [];
    for (const jobs of this.#waiting.values()) if (jobs.length > most.length) most = jobs;
    if (most.length < own + 2) throw busy();
    this.#length -= 1;
    most.pop()?.reject(busy());
  }

  /** Gives the turn of a job that is done to the next one. */
  #next(): void {
    for (const [origin, jobs] of this.#waiting) {
      this.#waiting.delete(origin);
      const turn = jobs.shift();
      if (jobs.length > 0) this.#waiting.set(origin, jobs);
      this.#length -= 1;
      turn?.resolve();
      return;
    }
    this.#running -= 1;
  }
}

function busy(): K4netError {
  return new K4netError('K4NET_BUSY', 'too many handshakes wait for their RSA decryption');
}
