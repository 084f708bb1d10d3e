import type { K4netError } from '../errors.js';
import { print } from '../platform/runtime.js';
import { recvTable } from '../sockets/locked-socket-options.js';
import {
  bytesRule,
  checkOptions,
  choiceRule,
  countRule,
  flagRule,
  functionRule,
  millisecondsRule,
  noOptions,
  optional,
  uncheckedRule,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import { signalRule } from '../util/wait.js';
import { callHook } from './error-hooks.js';
import type { CallbackOptions, CallOptions, StreamOptions } from './call-types.js';
import type { CallbackContext, ErrorHandler, QueueRecvOptions, QueueSocketLike } from './types.js';

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
   * Prints a line for every callback, task, registered message and call, without its content. Also
   * prints a line for every unmatched message, failed callback and refused request, with the
   * address of the peer and the id of the request. Default false.
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
   * Number of message callbacks that run at a time, together with the requests of `ordered`
   * callbacks. Default 1: each starts when the previous one has ended.
   */
  readonly concurrency?: number | undefined;
  /**
   * Number of request callbacks that are in flight at a time, each until its answer has been sent.
   * Independent of message callbacks. Default 64.
   *
   * While the send queue is above the `highWaterMark` of the socket, at most 8 are in flight, and
   * one more starts each time the queue has had room. A peer that reads nothing can make this side
   * hold `requestConcurrency` answers.
   *
   * If callbacks at both ends wait for answers of each other, they deadlock when more than this
   * number are in flight at once. In that case raise the number, or give the callbacks that answer
   * them a `concurrency` of their own; see `registerCallback`.
   */
  readonly requestConcurrency?: number | undefined;
  /** Milliseconds that `call` waits for an answer by default. Default 30000. */
  readonly callTimeout?: number | undefined;
  /**
   * Bytes that wait in a queue before reading stops. There are queues of messages for `recv`, of
   * messages for callbacks, and of unanswered requests of each name. The same limit applies to the
   * calls of one name: further calls wait before they are sent.
   *
   * Each message counts its size plus 64 bytes, each request its name and payload plus 512 bytes.
   * Default 1048576 (1 MiB). It should be the same at both ends.
   */
  readonly maxQueuedBytes?: number | undefined;
  /** Messages that wait in a queue before reading stops, counted like the bytes. Default 16384. */
  readonly maxQueuedMessages?: number | undefined;
  /**
   * Bytes of items that the peer may send in one stream before the program takes them. An item has
   * at most half of it, and counts its size plus 64 bytes. From 1024 to 2147483647. Default 262144
   * (256 KiB).
   */
  readonly streamWindow?: number | undefined;
  /**
   * Streaming calls that may be open at a time, in each direction. A further one fails with
   * `K4NET_BUSY`. Default 64.
   */
  readonly maxStreams?: number | undefined;
  /**
   * Decides whether a message or a request of the peer may run its callback. Only `true`, or a
   * promise of `true`, accepts. It is called when the callback would start, with the name and the
   * context of the callback, for requests of names without a callback too. It must not read `body`.
   *
   * A refused request fails with the `remoteCode` `K4NET_FORBIDDEN` at its caller. A refused
   * message is dropped, and reported to `onError`. An error that it throws refuses too, and goes to
   * `onError`. A call counts in the limits of concurrency while its authorization is pending.
   * Default: every call may run.
   */
  readonly authorizeCall?:
    ((name: string, context: CallbackContext) => boolean | PromiseLike<boolean>) | undefined;
  /**
   * Gets the errors of callbacks and hooks, messages whose name has no callback, messages that
   * `authorizeCall` refuses, and malformed control messages. Default: one process warning per name,
   * whose `cause` is the error.
   */
  readonly onError?: ErrorHandler | undefined;
  /**
   * Called once when the socket closes because of this side, of the peer, or of an error, which is
   * then its argument. Its result is sent as the last message if that is still possible.
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

type Unset = 'authorizeCall' | 'logger' | 'onError' | 'onClose' | 'onTimeout';

const unlimited = Number.MAX_SAFE_INTEGER;

/** The options of a queue socket. */
export const queueSocketTable: OptionTable<QueueSocketOptions, Unset | 'heartbeat'> = {
  debug: flagRule(false),
  logger: functionRule(),
  dispatch: choiceRule(['auto', 'manual']),
  unmatched: choiceRule(['error', 'queue', 'drop']),
  concurrency: countRule(1, 1, Infinity),
  requestConcurrency: countRule(64, 1, Infinity),
  callTimeout: millisecondsRule(30_000),
  maxQueuedBytes: bytesRule(1024 * 1024, 1, unlimited),
  maxQueuedMessages: countRule(16_384, 1, unlimited),
  streamWindow: bytesRule(256 * 1024, 1024, 2 ** 31 - 1),
  maxStreams: countRule(64, 1, unlimited),
  authorizeCall: functionRule(),
  onError: functionRule(),
  onClose: functionRule(),
  idleTimeout: millisecondsRule(),
  onTimeout: functionRule(),
  heartbeat: uncheckedRule(),
};

const heartbeatTable: OptionTable<HeartbeatOptions, 'timeout'> = {
  interval: millisecondsRule(15_000),
  timeout: optional(millisecondsRule()),
};

/** The options of a queue socket, checked and with their defaults. */
export interface CheckedQueueOptions extends Omit<Checked<QueueSocketOptions, Unset>, 'heartbeat'> {
  readonly log: ((line: string) => void) | undefined;
  readonly manual: boolean;
  readonly heartbeat: { readonly interval: number; readonly timeout: number } | undefined;
}

/** Checks the options and fills in the defaults. */
export function checkedQueueOptions(given: QueueSocketOptions | undefined): CheckedQueueOptions {
  const options = checkOptions('QueueSocket', given, queueSocketTable);
  const { debug, logger = print, dispatch, heartbeat, onError } = options;
  return {
    ...options,
    log: debug ? safely(logger, onError) : undefined,
    manual: dispatch === 'manual',
    heartbeat: heartbeat && checkedHeartbeat(heartbeat),
  };
}

/** A logger whose errors are reported. They must not fail the action that is logged. */
function safely(
  logger: (line: string) => unknown,
  onError: ErrorHandler | undefined,
): (line: string) => void {
  return (line) => {
    callHook(() => logger(line), 'logger', onError);
  };
}

function checkedHeartbeat(given: HeartbeatOptions): CheckedQueueOptions['heartbeat'] {
  const { interval, timeout = 3 * interval } = checkOptions('heartbeat', given, heartbeatTable);
  for (const [name, value] of Object.entries({ interval, timeout })) {
    if (value <= 0) throw new RangeError(`heartbeat.${name} must be more than 0 milliseconds, not ${value}`);
  }
  return { interval, timeout };
}

const callbackTable: OptionTable<CallbackOptions, 'concurrency' | 'priority'> = {
  concurrency: optional(countRule(1, 1, Infinity)),
  priority: optional(countRule(0, -unlimited, unlimited)),
  ordered: flagRule(false),
};

/** The options of a callback, checked and with their defaults. */
export type CheckedCallbackOptions = Checked<CallbackOptions, 'concurrency' | 'priority'>;

/** Checks the options of a callback. */
export function checkedCallbackOptions(given: CallbackOptions | undefined): CheckedCallbackOptions {
  const options = checkOptions('registerCallback', given, callbackTable);
  const { concurrency, ordered } = options;
  if (!ordered || concurrency === undefined) return options;
  throw new TypeError(
    `'ordered' and 'concurrency' (${concurrency}) exclude each other: an ordered callback shares the ` +
      'queue of messages, whose concurrency is an option of QueueSocket',
  );
}

const callTable: OptionTable<CallOptions, keyof CallOptions> = {
  timeout: optional(millisecondsRule()),
  signal: signalRule,
  body: uncheckedRule(),
};

const streamTable: OptionTable<StreamOptions, 'signal' | 'body'> = {
  timeout: millisecondsRule(),
  idleTimeout: millisecondsRule(),
  signal: signalRule,
  body: uncheckedRule(),
};

/** Checks the options of a stream. */
export function checkedStream(options: StreamOptions | undefined): Checked<StreamOptions, 'signal' | 'body'> {
  return checkOptions('stream', options, streamTable);
}

/** Checks the options of a call. Allocates nothing if there are none. */
export function checkedCall(
  options: CallOptions | undefined,
): Partial<Checked<CallOptions, keyof CallOptions>> {
  return options === undefined ? noOptions : checkOptions('call', options, callTable);
}

const queueRecvTable: OptionTable<QueueRecvOptions, 'signal'> = { block: flagRule(true), ...recvTable };

/** Checks the options of a `recv`. */
export function checkedQueueRecv(options: QueueRecvOptions | undefined): Checked<QueueRecvOptions, 'signal'> {
  return checkOptions('recv', options, queueRecvTable);
}
