import { kindOf } from '../util/bytes.js';
import { choice, flag, integer, milliseconds, ownOptions } from '../util/options.js';
import { print } from '../platform/runtime.js';
import { callHook } from './error-hooks.js';
import type { HeartbeatOptions, QueueSocketOptions } from './types.js';

/** The options of a queue socket, checked and with their defaults. */
export interface CheckedQueueOptions {
  readonly log: ((line: string) => void) | undefined;
  readonly manual: boolean;
  readonly unmatched: 'error' | 'queue' | 'drop';
  readonly concurrency: number;
  readonly requestConcurrency: number;
  readonly callTimeout: number;
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
  readonly idleTimeout: number;
  readonly heartbeat: { readonly interval: number; readonly timeout: number } | undefined;
  readonly onError: QueueSocketOptions['onError'];
  readonly onClose: QueueSocketOptions['onClose'];
  readonly onTimeout: QueueSocketOptions['onTimeout'];
}

/** The names of {@link QueueSocketOptions}. */
export const queueSocketNames: readonly string[] = [
  'debug',
  'logger',
  'dispatch',
  'unmatched',
  'concurrency',
  'requestConcurrency',
  'callTimeout',
  'maxQueuedBytes',
  'maxQueuedMessages',
  'onError',
  'onClose',
  'idleTimeout',
  'onTimeout',
  'heartbeat',
];

const unlimited = Number.MAX_SAFE_INTEGER;

/** Checks the options and fills in the defaults. */
export function checkedQueueOptions(given: QueueSocketOptions | undefined): CheckedQueueOptions {
  const options = ownOptions('QueueSocket', given, queueSocketNames);
  const { logger = print, onError, onClose, onTimeout, heartbeat } = options;
  for (const [name, hook] of Object.entries({ logger, onError, onClose, onTimeout })) {
    if (hook !== undefined) checkFunction(name, hook);
  }
  return {
    log: flag('debug', options.debug, false) ? safely(logger, onError) : undefined,
    manual: choice('dispatch', options.dispatch, ['auto', 'manual']) === 'manual',
    unmatched: choice('unmatched', options.unmatched, ['error', 'queue', 'drop']),
    concurrency: integer('concurrency', options.concurrency, 1, 1, Infinity),
    requestConcurrency: integer('requestConcurrency', options.requestConcurrency, 64, 1, Infinity),
    callTimeout: milliseconds('callTimeout', options.callTimeout, 30_000),
    maxQueuedBytes: integer('maxQueuedBytes', options.maxQueuedBytes, 1024 * 1024, 1, unlimited),
    maxQueuedMessages: integer('maxQueuedMessages', options.maxQueuedMessages, 16_384, 1, unlimited),
    idleTimeout: milliseconds('idleTimeout', options.idleTimeout),
    heartbeat: heartbeat && checkedHeartbeat(heartbeat),
    onError,
    onClose,
    onTimeout,
  };
}

/** A logger whose errors are reported: they must not fail the action that is logged. */
function safely(
  logger: (line: string) => unknown,
  onError: QueueSocketOptions['onError'],
): (line: string) => void {
  return (line) => {
    callHook(() => logger(line), 'logger', onError);
  };
}

function checkedHeartbeat(given: HeartbeatOptions): CheckedQueueOptions['heartbeat'] {
  const options = ownOptions('heartbeat', given, ['interval', 'timeout']);
  const interval = positive('interval', milliseconds('interval', options.interval, 15_000));
  return { interval, timeout: positive('timeout', milliseconds('timeout', options.timeout, 3 * interval)) };
}

function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new RangeError(`${name} of a heartbeat is more than 0 milliseconds, not ${value}`);
}

/** Checks a function that the caller gave. */
export function checkFunction(what: string, given: unknown): void {
  if (typeof given !== 'function') throw new TypeError(`${what} is a function, not ${kindOf(given)}`);
}
