import { Deferred } from '../util/wait.js';
import type * as node from './jobs.js';

// The form of `#jobs` for browsers. p-queue would be a tenth of the code that a page loads for a
// QueueSocket, which needs only a small part of it.

export const createJobs: typeof node.createJobs = (concurrency) => new WebJobs(concurrency);

interface WaitingJob {
  readonly priority: number;
  readonly job: () => PromiseLike<void>;
}

class WebJobs implements node.Jobs {
  readonly #concurrency: number;
  /** In descending order of priority. */
  readonly #waiting: WaitingJob[] = [];
  #pending = 0;
  #idle: Deferred<void> | undefined;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  get size(): number {
    return this.#waiting.length;
  }

  get pending(): number {
    return this.#pending;
  }

  add(job: WaitingJob['job'], { priority = 0 }: { readonly priority?: number }): void {
    const after = this.#waiting.findIndex((each) => each.priority < priority);
    this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, { priority, job });
    this.#start();
  }

  async onIdle(): Promise<void> {
    if (this.#pending > 0) await (this.#idle ??= new Deferred()).promise;
  }

  #start(): void {
    while (this.#pending < this.#concurrency) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#pending += 1;
      next.job().then(this.#end, this.#end);
    }
  }

  readonly #end = (): void => {
    this.#pending -= 1;
    this.#start();
    if (this.#pending > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  };
}
