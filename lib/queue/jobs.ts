import PQueue from 'p-queue';
import { queueOptions } from '../util/options.js';

/** Runs jobs with a limited concurrency, higher priorities first. */
export interface Jobs {
  /** Jobs that wait. */
  readonly size: number;
  /** Jobs that run. */
  readonly pending: number;
  /**
   * Adds a job. Starts it before it returns if the concurrency has room.
   *
   * @param job - its promise never rejects.
   */
  add(job: () => PromiseLike<void>, options: { readonly priority?: number }): unknown;
  /** Resolves when no job waits and none runs. */
  onIdle(): Promise<void>;
}

export function createJobs(concurrency: number): Jobs {
  return new PQueue(queueOptions({ concurrency }));
}
