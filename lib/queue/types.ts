import type { BinaryReader } from '../binary/reader.js';
import type { Messages } from '../codec/messages.js';
import type { RecvOptions, SendOptions } from '../sockets/locked-socket-options.js';
import type { MessageSocket } from '../sockets/message-socket.js';
import type { Bytes } from '../util/bytes.js';
import type { WaitOptions } from '../util/wait.js';
import type {
  AnswerStream,
  CallbackOptions,
  CallOptions,
  ContextOf,
  Payload,
  PayloadConstructor,
  StreamOptions,
} from './call-types.js';
import type { ItemStreamLike } from './items.js';
import type { QueueLife } from './queue-life.js';
import type { QueueSocketStats } from './queue-stats.js';
import type { TypedQueueOf } from './typed-queue.js';

/** The second argument of a callback. */
export interface CallbackContext extends ContextOf<QueueSocketLike> {
  /** The QueueSocket that received the message. */
  readonly socket: QueueSocketLike;
}

/**
 * The result of a callback: a {@link Payload}, which is the answer to a request, or nothing, which
 * is an empty answer. A message has no answer: the socket ignores the result of its callback.
 */
export type CallbackAnswer = Payload | void;

/**
 * The items that answer `stream`: a generator, whose return value is the answer, another async
 * iterable, or a `ReadableStream`.
 */
export type CallbackItems =
  | AsyncGenerator<Payload, CallbackAnswer, undefined>
  | Generator<Payload, CallbackAnswer, undefined>
  | AsyncIterable<Payload>
  | ItemStreamLike<Payload>;

/**
 * Handles the messages and requests of one name. It gets a reader over the payload.
 *
 * The bytes are a view that may share its buffer with other messages: `slice()` bytes that you
 * keep.
 */
export type Callback = (
  reader: BinaryReader,
  context: CallbackContext,
) => CallbackAnswer | CallbackItems | PromiseLike<CallbackAnswer | CallbackItems>;

/**
 * A queue socket whose messages and requests have types: see `QueueSocket.typed`.
 *
 * @typeParam M - the type of the object that describes the messages: `TypedQueue<typeof messages>`.
 */
export type TypedQueue<M extends Messages> = TypedQueueOf<M, QueueSocketLike>;

/** The source of an error: see {@link QueueSocketOptions.onError}. */
export interface QueueErrorInfo {
  /** The name of the callback or of the message; empty where there is none. */
  readonly name: string;
  /**
   * - `message`: the callback of a message failed, or the name has no callback (with the default
   *   `unmatched: 'error'`), or `authorizeCall` refuses the message.
   * - `request`: the callback of a request failed. The caller gets a failure too. A `CallError` is
   *   not reported.
   * - `control`: the peer sent a malformed control message, or reused the id of a request that has
   *   no answer yet. The 32nd such message ends the connection.
   * - `hook`: another function of the options failed.
   */
  readonly kind: 'message' | 'request' | 'control' | 'hook';
}

/** See {@link QueueSocketOptions.onError}. */
export type ErrorHandler = (error: unknown, info: QueueErrorInfo) => void;

/** Options of {@link QueueSocket.recv}. */
export interface QueueRecvOptions extends RecvOptions {
  /** False: `recv` resolves with undefined at once if no message has arrived. Default true. */
  readonly block?: boolean | undefined;
}

/**
 * The methods of a {@link QueueSocket}, as callbacks and hooks get them.
 *
 * A separate interface keeps the types of callbacks independent of the class.
 */
export interface QueueSocketLike extends MessageSocket, QueueLife {
  /** Counters of this socket, and the fill levels of its queues. */
  stats(): QueueSocketStats;
  /**
   * Registers the callback for messages and requests of a name. It replaces an earlier one.
   *
   * @param name - 1 to 255 printable ASCII characters.
   * @throws TypeError or RangeError for wrong arguments.
   *
   * @example
   * ```ts
   * import { LockedSocket, memoryPair, QueueSocket } from 'k4net';
   *
   * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
   * // The result of a callback is the answer to a request. A message has no answer.
   * far.registerCallback('greet', (reader) => `Hello, ${reader.readString()}`);
   * far.start();
   * near.start();
   * const answer = await near.call('greet', (writer) => writer.writeString('Ada'));
   * console.log(new TextDecoder().decode(answer.read()));
   * await near.close();
   * ```
   */
  registerCallback(name: string, callback: Callback, options?: CallbackOptions): void;
  /** Removes a callback, if there is one. `unmatched` then decides about its waiting messages. */
  removeCallback(name: string): void;
  /**
   * Registers a task: `performTasks` sends the payload that the constructor writes, as a message of
   * this name.
   *
   * @param name - 1 to 255 printable ASCII characters.
   */
  registerTask(name: string, constructor: PayloadConstructor): void;
  /** Removes a task, if there is one. */
  removeTask(name: string): void;
  /**
   * With `dispatch: 'manual'`: runs the callbacks of all queued messages, waits for them, yields
   * for one turn of the event loop, and resolves with their number. Do not await it inside a
   * callback: it waits for that callback, which is a deadlock. While it waits and a `call` of this
   * side is in flight, it also runs the callbacks of messages that fill a queue, since the answer
   * may follow them.
   *
   * With `dispatch: 'auto'`: yields for one turn, and resolves with the number of callbacks that
   * have run since the last time.
   *
   * Rejects with `K4NET_STATE` before `start()`. Rejects like `recv` when nothing is queued and the
   * socket has ended.
   */
  recvRegistered(): Promise<number>;
  /**
   * Sends a message to the callback of this name at the other end. Resolves and rejects like
   * `send`, and rejects with the error of a payload constructor.
   */
  sendRegistered(name: string, payload?: Payload, options?: SendOptions): Promise<void>;
  /**
   * Sends a message like `sendRegistered` if the send queue is below its `highWaterMark`, and
   * returns whether it did. Never waits. Returns false also if the socket closes. The caller may
   * reuse bytes at once; a payload over 16 KiB is copied for that.
   *
   * @throws TypeError or RangeError for wrong arguments, and the error of a payload constructor,
   * which runs also if the message is not sent.
   */
  trySendRegistered(name: string, payload?: Payload): boolean;
  /**
   * Sends a request to the callback of this name at the other end, and resolves with a reader over
   * its answer. The answer is a view: `slice()` bytes that you keep for long.
   *
   * Rejects with a {@link RemoteError} when the callback fails, throws a {@link CallError} or does
   * not exist, with a {@link TimeoutError} after `timeout` (default: `callTimeout`, 30 s), with the
   * reason of the signal, with `K4NET_STATE` before `start()`, and with the error that ends the
   * socket. After a timeout or an abort the signal of the remote callback aborts.
   *
   * @example
   * ```ts
   * import { LockedSocket, memoryPair, QueueSocket } from 'k4net';
   *
   * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
   * far.registerCallback('square', (reader) => {
   *   const value = reader.readDouble();
   *   return (writer) => writer.writeDouble(value * value);
   * });
   * far.start();
   * near.start();
   * const options = { timeout: 1000 };
   * const answer = await near.call('square', (writer) => writer.writeDouble(3), options);
   * console.log(answer.readDouble());
   * await near.close();
   * ```
   */
  call(name: string, payload?: Payload, options?: CallOptions): Promise<BinaryReader>;
  /**
   * Sends a request whose answer is a sequence of items, and returns them. A slow consumer slows
   * the callback: at most `streamWindow` bytes wait here. `break` cancels the call.
   *
   * Throws a TypeError or a RangeError for wrong arguments and `K4NET_STATE` before `start()`. The
   * loop and `answer` reject like `call`, after the items that arrived before the error; with
   * `K4NET_BUSY` if there are `maxStreams` streams already. There is no timeout by default: a peer
   * of an older version never answers.
   *
   * @example
   * ```ts
   * import { LockedSocket, memoryPair, QueueSocket } from 'k4net';
   *
   * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
   * far.registerCallback('count', async function* (reader) {
   *   const last = reader.readUint();
   *   for (let n = 1; n <= last; n += 1) yield (writer) => writer.writeUint(n);
   *   return 'done';
   * });
   * far.start();
   * near.start();
   * const numbers = near.stream('count', (writer) => writer.writeUint(3));
   * for await (const item of numbers) console.log(item.readUint());
   * console.log(new TextDecoder().decode((await numbers.answer).read()));
   * await near.close();
   * ```
   */
  stream(name: string, payload?: Payload, options?: StreamOptions): AnswerStream;
  /**
   * A view of this socket with typed messages: an object maps names to codecs, and callbacks,
   * requests and tasks use values instead of bytes. See `docs/typed-messages.md`.
   *
   * @example
   * ```ts
   * import { codec, LockedSocket, memoryPair, QueueSocket } from 'k4net';
   *
   * const messages = { square: codec.request(codec.float64, codec.float64) };
   * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
   * far.typed(messages).registerCallback('square', (value) => value * value);
   * far.start();
   * near.start();
   * console.log(await near.typed(messages).call('square', 3));
   * await near.close();
   * ```
   */
  typed<M extends Messages>(messages: M): TypedQueue<M>;
  /**
   * Receives the next message that no callback takes. With `block: false` it resolves with
   * undefined when there is none.
   *
   * Options and errors are those of {@link LockedSocket.recv}, and `K4NET_STATE` before `start()`.
   */
  recv(options: QueueRecvOptions & { readonly block: false }): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions & { readonly block?: true | undefined }): Promise<Bytes>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined>;
  /**
   * Sends one message without a name. Text is sent as UTF-8.
   *
   * Resolves and rejects like {@link LockedSocket.send}. Rejects with a RangeError for bytes that
   * begin like the control messages of a queue socket (00 4B 51).
   */
  send(data: Bytes | string, options?: SendOptions): Promise<void>;
  /** Resolves when the operating system has everything that was sent so far. */
  flush(options?: WaitOptions): Promise<void>;
  /**
   * The messages that no callback takes, for `for await`. The loop ends when the peer has ended or
   * this side has closed, and throws when the socket fails. `break` leaves the socket open.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes, void>;
}
