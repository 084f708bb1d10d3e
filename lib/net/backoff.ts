import { kindOf } from '../util/bytes.js';
import { integer, milliseconds, ownOptions } from '../util/options.js';

/** How often and when to try again. */
export interface RetryOptions {
  /** Attempts after the first one; Infinity goes on until the timeout. Default 3. */
  readonly retries?: number | undefined;
  /** Milliseconds before the first retry; doubled each time. Default 100. */
  readonly minDelay?: number | undefined;
  /** The longest pause in milliseconds. Default 2000. */
  readonly maxDelay?: number | undefined;
}

/** A checked plan of retries. */
export interface RetryPlan {
  readonly retries: number;
  readonly minDelay: number;
  readonly maxDelay: number;
}

/** Checks retry options; false is no retry, true or nothing the defaults. */
export function toRetryPlan(given: RetryOptions | boolean | undefined): RetryPlan {
  if (given === false) return { retries: 0, minDelay: 0, maxDelay: 0 };
  if (given === undefined || given === true) return { retries: 3, minDelay: 100, maxDelay: 2_000 };
  if (typeof given !== 'object') throw new TypeError(`retry is an object or a boolean, not ${kindOf(given)}`);
  const options = ownOptions('retry', given, ['retries', 'minDelay', 'maxDelay']);
  const minDelay = milliseconds('minDelay', options.minDelay, 100);
  const maxDelay = milliseconds('maxDelay', options.maxDelay, Math.max(2_000, minDelay));
  if (minDelay > maxDelay) throw new RangeError(`minDelay (${minDelay}) is over maxDelay (${maxDelay})`);
  return { retries: integer('retries', options.retries, 3, 0, Infinity), minDelay, maxDelay };
}

/**
 * Milliseconds to wait before the nth retry (from 0): doubling up to the limit, and of that a random part of at least
 * a half, so that a thousand clients of a restarted server do not come back at the same moment.
 */
export function retryDelay(plan: RetryPlan, nth: number, random: () => number = Math.random): number {
  const full = Math.min(plan.maxDelay, plan.minDelay * 2 ** Math.min(nth, 30));
  return full / 2 + (full / 2) * random();
}
