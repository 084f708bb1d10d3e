import type { K4netError } from '../errors.js';
import { choice, flag, integer, milliseconds, ownOptions } from '../util/options.js';
import { print } from '../platform/runtime.js';
import type { RecvOptions, SocketStats } from '../sockets/locked-socket-options.js';
import type { AbortSignalLike } from '../util/wait.js';
import { checkFunction } from './payload.js';
import type { QueueSocket } from './queue-socket.js';
import { callHook } from './error-hooks.js';

/** Where an error came from: see {@link QueueSocketOptions.onError}. */
export interface QueueErrorInfo {
  /** The name of the callback or of the message; empty where there is none. */
  readonly name: string;
  /**
   * `message`: a callback for a message failed, or there was none (with `unmatched: 'error'`, the default). `request`: a callback
   * failed whose caller is told too. `control`: the peer sent a malformed control message, or used the id of a request
   * that has no answer yet; the 32nd ends the connection. `hook`: another function of the options failed.
   */
  readonly kind: 'message' | 'request' | 'control' | 'hook';
}

/** Keepalives, and for how long silence is believed. */
export interface HeartbeatOptions {
  /** Milliseconds without anything sent after which a keepalive goes out. Default 15000. */
  readonly interval?: number | undefined;
  /**
   * Milliseconds without a byte from the peer after which the connection is given up. Default three times the interval. Should
   * be well over the peer's interval.
   */
  readonly timeout?: number | undefined;
}

/** Options of {@link QueueSocket}. */
export interface QueueSocketOptions {
  /**
   * Prints a line for every callback, task, registered message and call, without what is in it, and one for everything
   * that goes wrong, with the address of the peer and the ids of requests: unmatched messages, failures, refused
   * requests. Default false.
   */
  readonly debug?: boolean | undefined;
  /** Where those lines go. Default: the console. */
  readonly logger?: ((line: string) => void) | undefined;
  /** `auto`: callbacks are called when their messages come. `manual`: by `recvRegistered` only. Default `auto`. */
  readonly dispatch?: 'auto' | 'manual' | undefined;
  /**
   * What happens to a message whose name has no callback. `error`: the socket drops it and reports it to `onError`.
   * `queue`: `recv` gives it, name included. `drop`: the socket drops it. Default `error`. A message that does not begin
   * with a name goes to `recv` in any case.
   */
  readonly unmatched?: 'error' | 'queue' | 'drop' | undefined;
  /** Callbacks of messages that run at a time. Default 1: each begins when the one before has ended. */
  readonly concurrency?: number | undefined;
  /**
   * Request callbacks that are in flight at a time, each until its answer has gone out, apart from the callbacks of messages.
   * Default 64. While the send queue is above the `highWaterMark` of the socket, at most 8, and one more each time the queue
   * has had room. A peer that reads nothing can make this side hold that many answers. Where callbacks at both ends wait
   * for answers of each other, more than that at once can wait for ever: then raise the number, or give those that answer
   * them a `concurrency` of their own, see `registerCallback`.
   */
  readonly requestConcurrency?: number | undefined;
  /** Milliseconds that `call` waits for an answer unless it says otherwise. Default 30000. */
  readonly callTimeout?: number | undefined;
  /**
   * Bytes that wait in a queue before reading stops: the messages for `recv`, those for callbacks, and the requests of each
   * name that have no answer yet. Calls of one name keep within the same limit: further ones wait to be sent. Each message
   * counts 64 bytes more than it has, each request 512 bytes more than its name and its payload. Default 1048576 (1 MiB).
   * Should be the same at both ends.
   */
  readonly maxQueuedBytes?: number | undefined;
  /** Messages that wait in a queue before reading stops, counted like the bytes. Default 16384. */
  readonly maxQueuedMessages?: number | undefined;
  /**
   * Called with what callbacks and hooks throw, with messages whose name has no callback, and with malformed control
   * messages. Default: one process warning a name, whose `cause` is what was thrown.
   */
  readonly onError?: ((error: unknown, info: QueueErrorInfo) => void) | undefined;
  /**
   * Called once when the socket closes, by this side, by the peer, or by an error, which is then its argument. What it
   * returns is sent as the last message, where that is still possible. It may return nothing.
   */
  readonly onClose?:
    ((cause: K4netError | undefined) => CloseMessage | void | PromiseLike<CloseMessage | void>) | undefined;
  /** Milliseconds without a message from the peer after which the socket closes. Default Infinity. */
  readonly idleTimeout?: number | undefined;
  /** Called when the idle time is over, before the socket closes. */
  readonly onTimeout?: ((socket: QueueSocket) => void) | undefined;
  /** Sends keepalives, and gives the connection up when nothing comes from the peer. Default: no such thing. */
  readonly heartbeat?: HeartbeatOptions | undefined;
}

/** A closing message, or none. */
export type CloseMessage = Uint8Array | string | undefined;

/** Options of {@link QueueSocket.recv}. */
export interface QueueRecvOptions extends RecvOptions {
  /** False: undefined at once when nothing is there. Default true. */
  readonly block?: boolean | undefined;
}

/** Options of {@link QueueSocket.call}. */
export interface CallOptions {
  /** Milliseconds to wait for the answer, room to send included. Default: `callTimeout` of the socket. */
  readonly timeout?: number | undefined;
  /** Gives the call up when it aborts; the callback's signal at the other end aborts too. */
  readonly signal?: AbortSignalLike | undefined;
}

/** Options of {@link QueueSocket.drain}. */
export interface DrainOptions {
  /** Milliseconds for everything together. Default 5000. */
  readonly timeout?: number | undefined;
}

/** How full a queue is. */
export interface QueueDepth {
  readonly messages: number;
  /** Each message counts 64 bytes more than it has, each request 512 bytes more than its name and its payload. */
  readonly bytes: number;
}

/** Counters of a queue socket. */
export interface QueueSocketStats extends SocketStats {
  /** Bytes that wait to be sent. */
  readonly sendQueue: number;
  /** Messages that wait for `recv`. */
  readonly receiveQueue: QueueDepth;
  /** Messages that wait for their callbacks. */
  readonly callbackQueue: QueueDepth;
  /** Requests of the peer that have no answer yet. */
  readonly requestQueue: QueueDepth;
  /** Callbacks that were called, for messages and for requests. */
  readonly callbacksRun: number;
  /** Callbacks that threw or rejected. */
  readonly callbacksFailed: number;
  /** Calls from here without an answer. */
  readonly callsInFlight: number;
  /** Requests of the peer without an answer. */
  readonly requestsInFlight: number;
  /**
   * Milliseconds from a request to its answer, what the callback took included: a moving mean, in which the newest weighs
   * an eighth. Undefined before the first answer.
   */
  readonly roundTripTime: number | undefined;
}

/** Every option of a queue socket, checked. */
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

/** Names of {@link QueueSocketOptions}. */
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

/** A logger whose failure is reported, and is no failure of what it was told of. */
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
  throw new RangeError(`${name} of a heartbeat is more than 0 milliseconds`);
}
