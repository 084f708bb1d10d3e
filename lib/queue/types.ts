import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import type { Messages } from '../codec/messages.js';
import type { K4netError } from '../errors.js';
import type {
  CloseInfo,
  CloseOptions,
  ReadyState,
  RecvOptions,
  SendOptions,
  SocketStats,
} from '../sockets/locked-socket-options.js';
import type { Bytes } from '../util/bytes.js';
import type { AbortSignalLike, GivenAbortSignal, WaitOptions } from '../util/wait.js';
import type { TypedQueue } from './typed-queue.js';

/** Writes the payload of a message. It is called once and writes synchronously. */
export type PayloadConstructor = (writer: BinaryWriter) => void;

/**
 * The payload of a message: bytes, text, or a function that writes it.
 *
 * Text is sent as its UTF-8 bytes without a terminator. `readString` needs a terminator: it reads
 * text that `writeString` wrote.
 */
export type Payload = Uint8Array | string | PayloadConstructor;

/** The second argument of a callback. */
export interface CallbackContext {
  /** The QueueSocket that received the message. */
  readonly socket: QueueSocketLike;
  /** The name of the message. */
  readonly name: string;
  /**
   * Aborts when the socket closes. The signal of a request also aborts when the caller gives up:
   * its timeout has passed or its signal has aborted.
   */
  readonly signal: GivenAbortSignal;
}

/**
 * The result of a callback: a {@link Payload}, which is the answer to a request, or nothing, which
 * is an empty answer. A message has no answer: the socket ignores the result of its callback.
 */
export type CallbackAnswer = Payload | void;

/**
 * Handles the messages and requests of one name. It gets a reader over the payload.
 *
 * The bytes are a view that may share its buffer with other messages: `slice()` bytes that you keep.
 */
export type Callback = (
  reader: BinaryReader,
  context: CallbackContext,
) => CallbackAnswer | PromiseLike<CallbackAnswer>;

/** Options of {@link QueueSocket.registerCallback}. */
export interface CallbackOptions {
  /**
   * Calls of this callback that run at a time, messages and requests together, independent of all
   * other callbacks. Default: the callback shares the `concurrency` of the socket.
   */
  readonly concurrency?: number | undefined;
  /** Among waiting messages, higher priorities start first. Default 0. */
  readonly priority?: number | undefined;
}

/** The source of an error: see {@link QueueSocketOptions.onError}. */
export interface QueueErrorInfo {
  /** The name of the callback or of the message; empty where there is none. */
  readonly name: string;
  /**
   * - `message`: the callback of a message failed, or the name has no callback (with the default
   *   `unmatched: 'error'`).
   * - `request`: the callback of a request failed. The caller gets a failure too.
   * - `control`: the peer sent a malformed control message, or reused the id of a request that has
   *   no answer yet. The 32nd such message ends the connection.
   * - `hook`: another function of the options failed.
   */
  readonly kind: 'message' | 'request' | 'control' | 'hook';
}

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
  /** Message callbacks that run at a time. Default 1: each starts when the previous one has ended. */
  readonly concurrency?: number | undefined;
  /**
   * Request callbacks that are in flight at a time, each until its answer has been sent, independent
   * of message callbacks. Default 64.
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
  readonly onError?: ((error: unknown, info: QueueErrorInfo) => void) | undefined;
  /**
   * Called once when the socket closes, by this side, by the peer, or by an error, which is then its
   * argument. Its result is sent as the last message if that is still possible.
   */
  readonly onClose?:
    ((cause: K4netError | undefined) => CloseMessage | void | PromiseLike<CloseMessage | void>) | undefined;
  /** Milliseconds without a message from the peer after which the socket closes. Default Infinity. */
  readonly idleTimeout?: number | undefined;
  /** Called when the idle timeout has passed, before the socket closes. */
  readonly onTimeout?: TimeoutHook['run'] | undefined;
  /** Sends keepalives and closes the connection of a silent peer. Default: no keepalives. */
  readonly heartbeat?: HeartbeatOptions | undefined;
}

/** The type of a method, so that TypeScript also accepts a hook whose parameter is a QueueSocket. */
interface TimeoutHook {
  run(socket: QueueSocketLike): void;
}

/** A closing message, or none. */
export type CloseMessage = Uint8Array | string | undefined;

/** Options of {@link QueueSocket.recv}. */
export interface QueueRecvOptions extends RecvOptions {
  /** False: `recv` resolves with undefined at once when no message is there. Default true. */
  readonly block?: boolean | undefined;
}

/** Options of {@link QueueSocket.call}. */
export interface CallOptions {
  /**
   * Milliseconds to wait for the answer, including the wait for room to send. Default: `callTimeout`
   * of the socket.
   */
  readonly timeout?: number | undefined;
  /** Cancels the call when it aborts. The signal of the remote callback aborts too. */
  readonly signal?: AbortSignalLike | undefined;
}

/** Options of {@link QueueSocket.drain}. */
export interface DrainOptions {
  /** Milliseconds for everything together. Default 5000. */
  readonly timeout?: number | undefined;
}

/** The fill level of a queue. */
export interface QueueDepth {
  readonly messages: number;
  /** Each message counts its size plus 64 bytes, each request its name and payload plus 512 bytes. */
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
  /** Callbacks that have started, for messages and for requests. */
  readonly callbacksRun: number;
  /** Callbacks that threw or rejected. */
  readonly callbacksFailed: number;
  /** Calls of this side that have no answer yet. */
  readonly callsInFlight: number;
  /** Requests of the peer that have no answer yet. */
  readonly requestsInFlight: number;
  /**
   * Milliseconds from a request to its answer, including its callback: a moving mean in which the
   * newest call weighs an eighth. Undefined before the first answer.
   */
  readonly roundTripTime: number | undefined;
}

/**
 * The methods of a {@link QueueSocket}, as callbacks and hooks get them.
 *
 * A separate interface keeps the types of callbacks independent of the class.
 */
export interface QueueSocketLike {
  readonly closed: Promise<CloseInfo>;
  readonly readyState: ReadyState;
  readonly bufferedAmount: number;
  readonly remoteAddress: string;
  readonly localAddress: string;
  ref(): this;
  unref(): this;
  stats(): QueueSocketStats;
  registerCallback(name: string, callback: Callback, options?: CallbackOptions): void;
  removeCallback(name: string): void;
  registerTask(name: string, constructor: PayloadConstructor): void;
  removeTask(name: string): void;
  start(): void;
  recvRegistered(): Promise<number>;
  performTasks(): Promise<void>;
  sendRegistered(name: string, payload?: Payload, options?: SendOptions): Promise<void>;
  call(name: string, payload?: Payload, options?: CallOptions): Promise<BinaryReader>;
  typed<M extends Messages>(messages: M): TypedQueue<M, CallbackContext, CallbackOptions>;
  recv(options: QueueRecvOptions & { readonly block: false }): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions & { readonly block?: true | undefined }): Promise<Bytes>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined>;
  send(data: Bytes | string, options?: SendOptions): Promise<void>;
  flush(options?: WaitOptions): Promise<void>;
  drain(options?: DrainOptions): Promise<void>;
  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void>;
  abort(cause?: unknown, options?: CloseOptions): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes, void>;
  [Symbol.asyncDispose](): Promise<void>;
}
