import { K4netError, PeerAlertError, systemCode, TimeoutError } from '../errors.js';
import { mayRetryAfter } from '../session/record/alert-number.js';
import { kindOf } from '../util/bytes.js';
import { causeOf, debug } from '../util/debug.js';
import { checkOptions, countRule, millisecondsRule, optional, type OptionTable } from '../util/options.js';
import { startTimer, type AbortSignalLike } from '../util/wait.js';

/** Options of the retries of {@link connect}: exponential backoff with jitter. */
export interface RetryOptions {
  /** Attempts after the first one. Infinity: until the timeout. Default 3. */
  readonly retries?: number | undefined;
  /** Milliseconds before the first retry; doubled for each further one. Default 100. */
  readonly minDelay?: number | undefined;
  /** The longest delay in milliseconds. Default 2000. */
  readonly maxDelay?: number | undefined;
}

/** Checked retry options. */
export interface RetryPlan {
  readonly retries: number;
  readonly minDelay: number;
  readonly maxDelay: number;
}

const retryTable: OptionTable<RetryOptions, 'maxDelay'> = {
  retries: countRule(3, 0, Infinity),
  minDelay: millisecondsRule(100),
  maxDelay: optional(millisecondsRule()),
};

/** Checks retry options. False means no retries, true or undefined the defaults. */
export function toRetryPlan(given: RetryOptions | boolean | undefined): RetryPlan {
  if (given === false) return { retries: 0, minDelay: 0, maxDelay: 0 };
  if (given === undefined || given === true) return toRetryPlan({});
  if (typeof given !== 'object') {
    throw new TypeError(`retry must be an object or a boolean, not ${kindOf(given)}`);
  }
  const options = checkOptions('retry', given, retryTable);
  const { retries, minDelay, maxDelay = Math.max(2_000, minDelay) } = options;
  if (minDelay > maxDelay) throw new RangeError(`minDelay (${minDelay}) exceeds maxDelay (${maxDelay})`);
  return { retries, minDelay, maxDelay };
}

/**
 * Returns the delay in milliseconds before the nth retry (from 0): exponential backoff up to
 * `maxDelay`, with jitter of up to a half. Without jitter, all clients of a restarted server would
 * reconnect at the same moment.
 */
export function retryDelay(plan: RetryPlan, nth: number, random: () => number = Math.random): number {
  const full = Math.min(plan.maxDelay, plan.minDelay * 2 ** Math.min(nth, 30));
  return full / 2 + (full / 2) * random();
}

/** System errors that another attempt may not meet. */
const transientErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EAGAIN',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'ENOENT',
]);

/** Errors of a dial that another attempt may not meet, although no code of the system says so. */
const transientDials = new WeakSet<K4netError>();

/** Lets `isTransient` return true for an error without a code of the system. */
export function markTransient(error: K4netError): void {
  transientDials.add(error);
}

/**
 * Returns whether another attempt may succeed: the server is not up yet or is busy, or the network
 * failed for a moment. An attacker can forge an alert in the clear, so it counts like a connection
 * that just ended, unless a retry would send the same offer and get the same refusal: see "Errors"
 * in docs/protocol.md.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof PeerAlertError) return !error.authenticated && mayRetryAfter(error.alert);
  if (!K4netError.is(error)) return false;
  if (transientDials.has(error)) return true;
  if (error.code === 'K4NET_CONNECT') return transientErrors.has(systemCode(error.cause));
  return error.code === 'K4NET_CONNECTION' || error.code === 'K4NET_PEER_CLOSED';
}

/**
 * Runs attempts until one succeeds, fails for good, is the last one, or the signal aborts.
 *
 * @param name - the server, for the debug log and the message of a timeout.
 */
export async function withRetries<T>(
  name: string,
  plan: RetryPlan,
  signal: AbortSignalLike,
  connectOnce: () => Promise<T>,
): Promise<T> {
  let last: unknown;
  for (let nth = 0; ; nth += 1) {
    debug?.(`dial ${name}, attempt ${nth + 1}`);
    try {
      return await connectOnce();
    } catch (error) {
      debug?.(`dial ${name}, attempt ${nth + 1} failed, ${causeOf(error)}`);
      if (signal.aborted) throw withLastError(error, name, last);
      if (nth >= plan.retries || !isTransient(error)) throw error;
      last = error;
    }
    const delay = retryDelay(plan, nth);
    debug?.(`dial ${name} again after ${Math.round(delay)} ms`);
    try {
      await pause(delay, signal);
    } catch (reason) {
      throw withLastError(reason, name, last);
    }
  }
}

/** Adds the error of the last attempt to a timeout as its cause. */
function withLastError(reason: unknown, name: string, last: unknown): unknown {
  if (!(reason instanceof TimeoutError) || last === undefined) return reason;
  return new TimeoutError(noConnectionTo(name), reason.timeout, { cause: last });
}

/** The begin of the message of a timeout. */
export function noConnectionTo(name: string): string {
  return `no connection to ${name}`;
}

/** Waits. Rejects with the reason of the signal. */
export function pause(milliseconds: number, signal: AbortSignalLike): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => {
      timer.stop();
      const reason = signal.reason as Error;
      reject(reason);
    };
    const timer = startTimer(() => {
      signal.removeEventListener('abort', stopped);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', stopped);
  });
}
