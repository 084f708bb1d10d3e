/// <reference lib="esnext.disposable" preserve="true" />
import type { BinaryReader } from '../binary/reader.js';
import type { CompiledMessages, Messages, Route } from '../codec/messages.js';
import { PayloadWriter } from '../codec/payload.js';
import { typedCodecs } from './call.js';
import type { AnswerStream, CallbackOptions, ContextOf } from './call-types.js';
import type { EncodedQueue } from './encoded-queue.js';
import type { DrainOptions, QueueLife } from './queue-life.js';
import type { QueueSocketStats } from './queue-stats.js';
import type {
  AnswerOf,
  Arguments,
  CallbackResult,
  CallbacksOf,
  DeclaredError,
  ErrorCode,
  ErrorName,
  ItemOf,
  MessageArguments,
  MessageName,
  RequestName,
  StreamName,
  TypedCallback,
  TypedCallOptions,
  TypedStreamOptions,
} from './typed-types.js';
import type { CloseInfo, CloseOptions, ReadyState } from '../sockets/message-socket.js';
import { accepted } from '../sockets/outbox.js';
import type { Peer } from '../sockets/peer.js';
import { kindOf, type Bytes } from '../util/bytes.js';
import { checkFunction } from '../util/options.js';
import { answered, callbackEntries, messageRoute, routeOf, unanswered, type Use } from './typed-callbacks.js';
import { callTyped, isErrorOf, streamTyped } from './typed-calls.js';
import { rejectUnhandled, type WaitOptions } from '../util/wait.js';
import type { Input, Output } from '../codec/codec.js';

/**
 * A queue whose messages and requests have types, from one object that maps names to codecs. It
 * has the life cycle of its socket.
 *
 * Arriving payloads are checked before a callback gets their values. A payload that does not decode
 * is a `DecodeError` for `onError`; the caller of a request gets a failure too.
 *
 * @example
 * ```ts
 * import { codec, LockedSocket, memoryPair, QueueSocket } from 'k4net';
 *
 * const messages = {
 *   add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
 *   note: codec.string,
 * };
 * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
 * far.typed(messages).registerCallback('add', ({ a, b }) => a + b);
 * far.start();
 * near.start();
 * console.log(await near.typed(messages).call('add', { a: 1, b: 2 }));
 * await near.close();
 * ```
 */
export class TypedQueueOf<M extends Messages, Socket> implements QueueLife {
  /** The queue socket below, for messages without types. */
  readonly socket: Socket;
  readonly closed: Promise<CloseInfo>;
  readonly #queue: EncodedQueue<ContextOf<Socket>>;
  readonly #routes: CompiledMessages;

  /** @internal Use `typed` of the queue. */
  constructor(queue: Socket & EncodedQueue<ContextOf<Socket>>, routes: CompiledMessages) {
    this.socket = queue;
    this.closed = queue.closed;
    this.#queue = queue;
    this.#routes = routes;
  }

  get readyState(): ReadyState {
    return this.#queue.readyState;
  }

  get peer(): Peer | undefined {
    return this.#queue.peer;
  }

  stats(): QueueSocketStats {
    return this.#queue.stats();
  }

  start(): void {
    this.#queue.start();
  }

  performTasks(): Promise<void> {
    return this.#queue.performTasks();
  }

  drain(options?: DrainOptions): Promise<void> {
    return this.#queue.drain(options);
  }

  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void> {
    return this.#queue.close(closingMessage, options);
  }

  abort(cause?: unknown, options?: CloseOptions): Promise<void> {
    return this.#queue.abort(cause, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Registers the callback for the values of this name. The result for a request, or the value of
   * its promise, is the answer. A result of a wrong type fails the request and goes to `onError`.
   *
   * @typeParam R - the exact type of the result. Without it, TypeScript would widen the tags of
   * unions to `string`.
   */
  registerCallback<N extends keyof M & string, const R extends CallbackResult<M[N]>>(
    name: N,
    callback: TypedCallback<M[N], ContextOf<Socket>, R>,
    options?: CallbackOptions,
  ): void {
    checkFunction('a callback', callback);
    const { argument, answer, body, item } = this.#route(name);
    const run = callback as Use<ContextOf<Socket>>;
    let use = run;
    if (answer === undefined) use = unanswered(run);
    // The streams encode items, and the answer after them.
    else if (!item) use = answered(run, answer);
    const perform = (reader: BinaryReader, context: ContextOf<Socket>): unknown =>
      argument.use(reader, use, context);
    Object.assign(perform, { [typedCodecs]: { answer, body, item } });
    this.#queue.registerCallback(name, perform, options);
  }

  /**
   * Registers the callbacks of an object whose keys are the names. Names that are missing or
   * undefined stay as they are.
   */
  registerCallbacks(callbacks: CallbacksOf<M, Socket>): void {
    for (const [name, callback] of callbackEntries(this.#routes, callbacks))
      this.registerCallback(name, callback as never);
  }

  /** Removes a callback, if there is one. */
  removeCallback(name: keyof M & string): void {
    this.#route(name);
    this.#queue.removeCallback(name);
  }

  /** Registers a task: `performTasks` calls `make` and sends the value that it returns. */
  registerTask<N extends MessageName<M>>(name: N, make: () => Input<M[N]>): void {
    const given: unknown = make;
    if (typeof given !== 'function') throw new TypeError(`a task must be a function, not ${kindOf(given)}`);
    const { argument } = messageRoute(this.#routes, name);
    this.#queue.registerTask(name, (writer) => {
      argument.write(writer, make());
    });
  }

  /** Removes a task, if there is one. */
  removeTask(name: MessageName<M>): void {
    messageRoute(this.#routes, name);
    this.#queue.removeTask(name);
  }

  /**
   * Sends a message. Rejects with a TypeError or a RangeError for a wrong value, and then sends
   * nothing. Otherwise it resolves and rejects like `sendRegistered` of the queue.
   */
  sendRegistered<N extends MessageName<M>>(
    name: N,
    ...rest: Arguments<M[N], Pick<WaitOptions, 'signal'>>
  ): Promise<void>;
  sendRegistered(name: string, value?: unknown, options?: Pick<WaitOptions, 'signal'>): Promise<void> {
    try {
      const { argument } = messageRoute(this.#routes, name);
      const writer = PayloadWriter.take();
      argument.write(writer, value);
      const sent = this.#queue.sendRegistered(name, writer.data, options);
      // Otherwise the socket may still need the bytes.
      if (sent === accepted) PayloadWriter.give(writer);
      return sent;
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /**
   * Sends a message if the send queue is below its `highWaterMark`, and returns whether it did; see
   * `trySendRegistered` of the queue. Never waits.
   *
   * @throws TypeError or RangeError for a wrong value, also if the message would not be sent.
   */
  trySendRegistered<N extends MessageName<M>>(name: N, ...rest: MessageArguments<M[N]>): boolean;
  trySendRegistered(name: string, value?: unknown): boolean {
    const { argument } = messageRoute(this.#routes, name);
    const writer = PayloadWriter.take();
    argument.write(writer, value);
    const sent = this.#queue.trySendRegistered(name, writer.data);
    PayloadWriter.give(writer);
    return sent;
  }

  /**
   * Sends a request and resolves with its answer.
   *
   * Rejects with a TypeError or a RangeError for a wrong argument, and then sends nothing; with a
   * `DecodeError` for an answer that does not decode; and otherwise like `call` of the queue.
   */
  call<N extends RequestName<M>>(
    name: N,
    ...rest: Arguments<M[N], TypedCallOptions<M[N]>>
  ): Promise<Output<AnswerOf<M[N]>>>;
  call(name: string, value?: unknown, options?: WaitOptions): Promise<unknown> {
    return callTyped(this.#queue, this.#routes, name, value, options);
  }

  /**
   * Sends a request and returns the items of its answer. Throws a TypeError or a RangeError for a
   * wrong argument, and then sends nothing. The loop throws a `DecodeError` for an item that does
   * not decode, which cancels the call. Otherwise it is like `stream` of the queue.
   */
  stream<N extends StreamName<M>>(
    name: N,
    ...rest: Arguments<M[N], TypedStreamOptions<M[N]>>
  ): AnswerStream<Output<ItemOf<M[N]>>, Output<AnswerOf<M[N]>>>;
  stream(name: string, value?: unknown, options?: WaitOptions): AnswerStream<unknown, unknown> {
    return streamTyped(this.#queue, this.#routes, name, value, options);
  }

  /**
   * Whether a value is the error that a call of this name rejects with because its callback has
   * thrown a `CallError` that the request declares. Narrows its type, so `data` has the declared
   * type. False for an error of that code without valid data. Without a code, `remoteCode` tells
   * the declared errors apart.
   *
   * Throws a TypeError for a name or a code that is not declared.
   */
  isError<N extends ErrorName<M>, C extends ErrorCode<M[N]> = ErrorCode<M[N]>>(
    error: unknown,
    name: N,
    code?: C,
  ): error is DeclaredError<M[N], C>;
  isError(error: unknown, name: string, code?: string): boolean {
    return isErrorOf(this.#routes, error, name, code);
  }

  #route(name: string): Route {
    return routeOf(this.#routes, name);
  }
}
