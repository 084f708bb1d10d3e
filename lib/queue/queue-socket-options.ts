import type { K4netError } from '../errors.js';
import { kindOf } from '../util/bytes.js';
import { choice, flag, integer, milliseconds, ownOptions } from '../util/options.js';
import { print } from '../platform/runtime.js';
import { callHook } from './error-hooks.js';
import type { CallbackOptions, ErrorHandler, QueueSocketLike } from './types.js';

/** Keepalives, and the silence after which the peer counts as dead. */
export interface HeartbeatOptions {
  /** Milliseconds without outgoing bytes after which a keepalive is sent. Default 15000. */
  readonly interval?: number | undefined;
  /**
   * Milliseconds without incoming bytes after which the connection fails with `K4NET_TIMEOUT`.
   * Default three times the interval. It should be well above the interval of the peer.
   */
  readonly timeout?: number | undefined;
}

/** Options of {@link QueueSocket}. */
export interface QueueSocketOptions {
  /**
   * Prints a line for every callback, task, registered message and call, without its content, and a
   * line for every failure, with the address of the peer and the ids of requests: unmatched
   * messages, failed callbacks, refused requests. Default false.
   */
  readonly debug?: boolean | undefined;
  /** Gets the lines of `debug`. Default: the console. */
  readonly logger?: ((line: string) => void) | undefined;
  /**
   * `auto`: callbacks run when their messages arrive. `manual`: only `recvRegistered` runs them.
   * Default `auto`.
   */
  readonly dispatch?: 'auto' | 'manual' | undefined;
  /**
   * Decides about a message whose name has no callback. `error`: the socket drops it and reports it
   * to `onError`. `queue`: `recv` returns it, name included. `drop`: the socket drops it silently.
   * Default `error`. A message that does not begin with a name always goes to `recv`.
   */
  readonly unmatched?: 'error' | 'queue' | 'drop' | undefined;
  /**
   * Message callbacks that run at a time. Default 1: each starts when the previous one has ended.
   */
  readonly concurrency?: number | undefined;
  /**
   * Request callbacks that are in flight at a time, each until its answer has been sent,
   * independent of message callbacks. Default 64.
   *
   * While the send queue is above the `highWaterMark` of the socket, at most 8 are in flight, and
   * one more starts each time the queue has had room. A peer that reads nothing can make this side
   * hold `requestConcurrency` answers.
   *
   * Callbacks at both ends that wait for answers of each other deadlock when more than this number
   * are in flight at once. In that case raise the number, or give the callbacks that answer them a
   * `concurrency` of their own, see `registerCallback`.
   */
  readonly requestConcurrency?: number | undefined;
  /** Milliseconds that `call` waits for an answer by default. Default 30000. */
  readonly callTimeout?: number | undefined;
  /**
   * Bytes that wait in a queue before reading stops. There are queues of messages for `recv`, of
   * messages for callbacks, and of unanswered requests of each name. Calls of one name keep within
   * the same limit: further calls wait before they are sent.
   *
   * Each message counts its size plus 64 bytes, each request its name and payload plus 512 bytes.
   * Default 1048576 (1 MiB). It should be the same at both ends.
   */
  readonly maxQueuedBytes?: number | undefined;
  /** Messages that wait in a queue before reading stops, counted like the bytes. Default 16384. */
  readonly maxQueuedMessages?: number | undefined;
  /**
   * Gets the errors of callbacks and hooks, messages whose name has no callback, and malformed
   * control messages. Default: one process warning per name, whose `cause` is the error.
   */
  readonly onError?: ErrorHandler | undefined;
  /**
   * Called once when the socket closes, by this side, by the peer, or by an error, which is then
   * its argument. Its result is sent as the last message if that is still possible.
   */
  readonly onClose?:
    ((cause: K4netError | undefined) => CloseMessage | void | PromiseLike<CloseMessage | void>) | undefined;
  /**
   * Milliseconds without a message from the peer after which the socket closes. Default Infinity.
   */
  readonly idleTimeout?: number | undefined;
  /** Called when the idle timeout has passed, before the socket closes. */
  readonly onTimeout?: ((socket: QueueSocketLike) => void) | undefined;
  /** Sends keepalives and closes the connection of a silent peer. Default: no keepalives. */
  readonly heartbeat?: HeartbeatOptions | undefined;
}

/** A closing message, or none. */
export type CloseMessage = Uint8Array | string | undefined;

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
  readonly onError: ErrorHandler | undefined;
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
  onError: ErrorHandler | undefined,
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

/** Checks the options of a callback. */
export function checkedCallbackOptions(given: CallbackOptions | undefined): CallbackOptions {
  const options = ownOptions('registerCallback', given, ['concurrency', 'priority']);
  const { MIN_SAFE_INTEGER: lowest, MAX_SAFE_INTEGER: highest } = Number;
  const { concurrency, priority } = options;
  if (concurrency !== undefined) integer('concurrency', concurrency, 1, 1, Infinity);
  if (priority !== undefined) integer('priority', priority, 0, lowest, highest);
  return options;
}

/** Checks a function that the caller gave. */
export function checkFunction(what: string, given: unknown): void {
  if (typeof given !== 'function') throw new TypeError(`${what} is a function, not ${kindOf(given)}`);
}
