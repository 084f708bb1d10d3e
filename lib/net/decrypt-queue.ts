import { K4netError } from '../errors.js';
import { Deferred } from '../util/wait.js';

/**
 * RSA decryptions that run at the same time. More would let a flood of handshakes starve the open
 * connections.
 */
const maxRunning = 2;
const maxWaiting = 64;

/**
 * Limits the RSA decryptions of one server, against denial of service: see "Limits" in
 * docs/protocol.md.
 *
 * Origins take turns. If too many decryptions wait, the newest one of the origin with the most is
 * dropped. So no origin can keep the others from their turn.
 */
export class DecryptQueue {
  /** By origin. The first origin has the next turn. */
  readonly #waiting = new Map<string, Deferred<void>[]>();
  #length = 0;
  #running = 0;

  /**
   * Runs a job in its turn. Rejects with `K4NET_BUSY` if too many wait, and with the error of the
   * job.
   *
   * @param origin - the network address whose jobs take turns with those of others.
   */
  async run<T>(origin: string, job: () => Promise<T>): Promise<T> {
    if (this.#running < maxRunning) this.#running += 1;
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

  /**
   * @throws K4netError `K4NET_BUSY` unless an origin has at least two jobs more than the new job's
   * origin.
   */
  #makeRoom(own: number): void {
    let most: Deferred<void>[] = [];
    for (const jobs of this.#waiting.values()) if (jobs.length > most.length) most = jobs;
    if (most.length < own + 2) throw busy();
    this.#length -= 1;
    most.pop()?.reject(busy());
  }

  /** Starts the next job in place of one that has ended. */
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
  return new K4netError('K4NET_BUSY', `refused a handshake: ${maxWaiting} RSA decryptions wait already`);
}
