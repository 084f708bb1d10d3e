import { TimeoutError } from '../errors.js';
import { checkNames, milliseconds } from '../options.js';
import { type NodeSocket } from '../runtime.js';
import { LockedSocket } from '../sockets/locked-socket.js';
import {
  checkedOptions,
  lockedSocketNames,
  lockedSocketOptions,
  type LockedSocketOptions,
} from '../sockets/locked-socket-options.js';
import { AbortHub, bounded, checkSignal, rejected, startTimer, type WaitOptions } from '../waiting.js';
import {
  addressNames,
  describeAddress,
  checkPlain,
  toAddress,
  type Address,
  type AddressOptions,
} from './address.js';
import { retryDelay, toRetryPlan, type RetryOptions, type RetryPlan } from './backoff.js';
import { dial, mayPass } from './dial.js';

/** Options of {@link connect}. */
export interface ConnectOptions extends AddressOptions, WaitOptions, LockedSocketOptions {
  /** Asks for a socket without encryption: everyone on the way can read and change what it carries. */
  readonly plain: true;
  /** Milliseconds for the whole call, retries included. Default 10000; Infinity waits for ever. */
  readonly timeout?: number | undefined;
  /**
   * Whether and how to try again what may go better (refused, unreachable, not there yet). Default: three more
   * attempts, after about 100, 200 and 400 ms.
   */
  readonly retry?: RetryOptions | boolean | undefined;
}

const connectNames = [...addressNames, ...lockedSocketNames, 'plain', 'timeout', 'signal', 'retry'];
const defaultTimeout = 10_000;

/**
 * Connects to a server, over TCP, a Unix socket or a Windows pipe.
 *
 * Rejects with `K4NET_CONNECT` (its `cause` is the system's error), with a {@link TimeoutError} (its `cause` is what the
 * last attempt met), with the reason of the signal, with `K4NET_UNSUPPORTED` where the runtime has no TCP, or with a
 * TypeError or RangeError for options that are wrong.
 */
export async function connect(options: ConnectOptions): Promise<LockedSocket> {
  checkNames('connect', options, connectNames);
  const address = toAddress('connect', options);
  const plan = toRetryPlan(options.retry);
  const timeout = milliseconds('timeout', options.timeout, defaultTimeout);
  checkSignal(options.signal);
  checkPlain('connect', options.plain);
  const locked = lockedSocketOptions(options);
  // Throws for a wrong option now, not when there is a connection that nobody would close.
  checkedOptions(locked);
  if (options.signal?.aborted) return rejected(options.signal.reason);
  const stop = new AbortController();
  const attempts = persist(address, plan, stop.signal);
  const cancel = (reason: unknown): void => {
    stop.abort(reason);
  };
  const wait = { timeout, signal: options.signal };
  const stream = await bounded(attempts, wait, new AbortHub(), cancel, connectionTo(address));
  return new LockedSocket(stream, locked);
}

/** Dials until it succeeds, meets what will not pass, has no retry left, or is told to stop. */
async function persist(address: Address, plan: RetryPlan, signal: AbortSignal): Promise<NodeSocket> {
  let last: unknown;
  for (let nth = 0; ; nth += 1) {
    try {
      return await dial(address, signal);
    } catch (error) {
      if (signal.aborted) throw withCause(error, address, last);
      if (nth >= plan.retries || !mayPass(error)) throw error;
      last = error;
    }
    try {
      await pause(retryDelay(plan, nth), signal);
    } catch (reason) {
      throw withCause(reason, address, last);
    }
  }
}

/** A timeout says more with what the last attempt met. */
function withCause(reason: unknown, address: Address, last: unknown): unknown {
  if (!(reason instanceof TimeoutError) || last === undefined) return reason;
  return new TimeoutError(connectionTo(address), reason.timeout, { cause: last });
}

function connectionTo(address: Address): string {
  return `a connection to ${describeAddress(address)}`;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => {
      timer.stop();
      reject(signal.reason as Error);
    };
    const timer = startTimer(() => {
      signal.removeEventListener('abort', stopped);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', stopped);
  });
}
