/// <reference lib="esnext.disposable" preserve="true" />
import type { BinaryReader } from '../binary/reader.js';
import type { Messages } from '../codec/messages.js';
import { K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import type { MessageSocket, OwnedSocket } from '../sockets/acquire.js';
import {
  checkedWait,
  type CloseInfo,
  type CloseOptions,
  type ReadyState,
  type SendOptions,
} from '../sockets/locked-socket-options.js';
import { longestMessage } from '../transport/framing/encoder.js';
import { toBytes, type Bytes } from '../util/bytes.js';
import { flag, integer, milliseconds, ownOptions } from '../util/options.js';
import {
  checkSignal,
  markHandled,
  markHandledByClass,
  rejected,
  rejectHandled,
  rejectUnhandled,
  type WaitOptions,
} from '../util/wait.js';
import type { AnswerDecoder } from './calls.js';
import { checkName, checkRaw, encodeRegistered, payloadBytes, registeredHead } from './envelope.js';
import type { FlowWindow } from './flow-window.js';
import { defaultCloseTimeout, QueueCore } from './queue-core.js';
import { checkedQueueOptions, checkFunction, type CheckedQueueOptions } from './queue-socket-options.js';
import { callEncoded, TypedQueue } from './typed-queue.js';
import type {
  Callback,
  CallbackContext,
  CallbackOptions,
  CallOptions,
  DrainOptions,
  Payload,
  PayloadConstructor,
  QueueDepth,
  QueueRecvOptions,
  QueueSocketLike,
  QueueSocketOptions,
  QueueSocketStats,
} from './types.js';

/** Bytes of the largest frame that are kept for the head of a request. */
const maxHead = 1024;

/**
 * Named messages, requests and answers over a message socket. A message goes to the callback that is
 * registered for its name; all other messages go to `recv`.
 *
 * Registered messages have the wire format of the Python library: "Queue messages" in
 * `docs/protocol.md`. Requests need this library at both ends.
 *
 * @example
 * ```ts
 * import { connect, listen, QueueSocket } from 'k4net';
 *
 * const server = await listen({ port: 0, ephemeralKey: true });
 * server.serve(async (sock) => {
 *   const queue = new QueueSocket(sock);
 *   queue.registerCallback('double', (reader) => {
 *     const value = reader.readInt();
 *     return (writer) => writer.writeInt(2 * value);
 *   });
 *   queue.start();
 *   await queue.closed;
 * });
 *
 * const queue = new QueueSocket(await connect({ ...server.address(), pin: server.fingerprint }));
 * queue.start();
 * const answer = await queue.call('double', (writer) => writer.writeInt(21));
 * console.log(answer.readInt());
 * await queue.close();
 * await server.close();
 * ```
 */
export class QueueSocket implements QueueSocketLike {
  /**
   * Resolves when the socket is gone, with the reason: `K4NET_TIMEOUT` after the idle timeout or when
   * the peer was silent for the timeout of the heartbeat. Never rejects.
   */
  readonly closed: Promise<CloseInfo>;
  readonly #socket: MessageSocket;
  readonly #owned: OwnedSocket;
  readonly #options: CheckedQueueOptions;
  readonly #core: QueueCore;
  readonly #tasks = new Map<string, PayloadConstructor>();
  #counted = 0;

  /**
   * @param socket - a {@link LockedSocket} or EncryptedSocket. The queue socket owns it from now on:
   * its own `send`, `recv`, loops and `end` reject with `K4NET_STATE`.
   * @throws TypeError for an unknown option, RangeError for an option out of its range, `K4NET_STATE`
   * for a socket that has an owner or a pending `recv`.
   */
  constructor(socket: MessageSocket, options?: QueueSocketOptions) {
    this.#options = checkedQueueOptions(options);
    this.#socket = socket;
    this.#core = new QueueCore(this, socket, this.#options);
    this.#owned = this.#core.owned;
    this.closed = this.#core.closed;
  }

  /** The state of the socket. */
  get readyState(): ReadyState {
    return this.#socket.readyState;
  }

  /** Bytes that wait to be taken by the operating system. */
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  /** The peer as `address:port`, or an empty string for a transport without addresses. */
  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }

  /** This end as `address:port`, or an empty string for a transport without addresses. */
  get localAddress(): string {
    return this.#socket.localAddress;
  }

  /** Keeps the process alive while this socket is open (the default). */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process exit while this socket is open. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** Counters of this socket, and the fill levels of its queues. */
  stats(): QueueSocketStats {
    const { dispatcher, calls, queue } = this.#core;
    const depth = ({ messages, bytes }: FlowWindow): QueueDepth => ({ messages, bytes });
    return {
      ...this.#socket.stats(),
      sendQueue: this.#socket.bufferedAmount,
      receiveQueue: depth(queue.window),
      callbackQueue: depth(dispatcher.messages),
      requestQueue: depth(dispatcher.requests),
      callbacksRun: dispatcher.runner.started,
      callbacksFailed: dispatcher.runner.failed,
      callsInFlight: calls.pending,
      requestsInFlight: dispatcher.runner.unanswered,
      roundTripTime: calls.roundTrip,
    };
  }

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
  registerCallback(name: string, callback: Callback, options?: CallbackOptions): void {
    checkFunction('a callback', callback);
    const given = ownOptions('registerCallback', options, ['concurrency', 'priority']);
    const { concurrency, priority } = given;
    if (concurrency !== undefined) integer('concurrency', concurrency, 1, 1, Infinity);
    if (priority !== undefined)
      integer('priority', priority, 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    this.#core.dispatcher.register(checkName(name), callback, given);
  }

  /** Removes a callback, if there is one. `unmatched` then decides about its waiting messages. */
  removeCallback(name: string): void {
    this.#core.dispatcher.remove(checkName(name));
  }

  /**
   * Registers a task: `performTasks` sends the payload that the constructor writes, as a message of
   * this name.
   *
   * @param name - 1 to 255 printable ASCII characters.
   */
  registerTask(name: string, constructor: PayloadConstructor): void {
    checkFunction('a constructor', constructor);
    this.#tasks.set(checkName(name), constructor);
  }

  /** Removes a task, if there is one. */
  removeTask(name: string): void {
    this.#tasks.delete(checkName(name));
  }

  /**
   * Starts to receive. Call it once, after the callbacks are registered: earlier messages wait.
   *
   * @throws K4netError `K4NET_STATE` the second time.
   */
  start(): void {
    this.#core.start();
  }

  /**
   * With `dispatch: 'manual'`: runs the callbacks of all queued messages, waits for them, yields for
   * one turn of the event loop, and resolves with their number. Awaited inside a callback it would
   * deadlock: it waits for that callback. While it waits and a `call` of this side is in flight, it
   * also runs the callbacks of messages that fill a queue, since the answer may be behind them.
   *
   * With `dispatch: 'auto'`: yields for one turn, and resolves with the number of callbacks that have
   * run since the last time.
   *
   * Rejects with `K4NET_STATE` before `start()`. Rejects like `recv` when nothing is queued and the
   * socket has ended.
   */
  recvRegistered(): Promise<number> {
    try {
      this.#core.checkStarted();
      return markHandled(this.#recvRegistered());
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Sends the messages of all tasks, in the order of their registration. Rejects with the error of
   * the first constructor that throws, and like `send`.
   */
  performTasks(): Promise<void> {
    const performed: Promise<void> = this.#performTasks(() => void markHandled(performed));
    return performed;
  }

  /**
   * Sends a message to the callback of this name at the other end. Resolves and rejects like `send`,
   * and rejects with the error of a payload constructor.
   */
  sendRegistered(name: string, payload?: Payload, options?: SendOptions): Promise<void> {
    try {
      checkName(name);
      const bytes = payloadBytes(payload);
      this.#options.log?.(`Sending registered ${name}`);
      if (options) return this.#send(encodeRegistered(name, bytes), options);
      const { closing } = this.#core;
      return closing ? rejectHandled(closing) : this.#owned.sendHeaded(registeredHead(name), bytes);
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /**
   * Sends a request to the callback of this name at the other end, and resolves with a reader over
   * its answer. The answer is a view: `slice()` bytes that you keep for long.
   *
   * Rejects with a {@link RemoteError} when the callback fails or does not exist, with a
   * {@link TimeoutError} after `timeout` (default: `callTimeout`, 30 s), with the reason of the
   * signal, with `K4NET_STATE` before `start()`, and with the error that ends the socket. After a
   * timeout or an abort the signal of the remote callback aborts.
   *
   * @example
   * ```ts
   * import { K4netError, LockedSocket, memoryPair, QueueSocket } from 'k4net';
   *
   * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
   * far.registerCallback('square', (reader) => {
   *   const value = reader.readDouble();
   *   return (writer) => writer.writeDouble(value * value);
   * });
   * far.start();
   * near.start();
   * try {
   *   const answer = await near.call('square', (writer) => writer.writeDouble(3), { timeout: 1000 });
   *   console.log(answer.readDouble());
   * } catch (error) {
   *   if (!K4netError.is(error, 'K4NET_TIMEOUT')) throw error;
   *   console.log('no answer within a second');
   * }
   * await near.close();
   * ```
   */
  call(name: string, payload?: Payload, options?: CallOptions): Promise<BinaryReader> {
    return this.#call(name, payload, options, undefined) as Promise<BinaryReader>;
  }

  /** @internal */
  [callEncoded](
    name: string,
    payload: Bytes,
    options: CallOptions | undefined,
    decode: AnswerDecoder,
  ): Promise<unknown> {
    return this.#call(name, payload, options, decode);
  }

  #call(
    name: string,
    payload: Payload | undefined,
    options: CallOptions | undefined,
    decode: AnswerDecoder | undefined,
  ): Promise<unknown> {
    try {
      const { timeout, signal } = ownOptions('call', options, ['timeout', 'signal']);
      checkSignal(signal);
      const limit = milliseconds('timeout', timeout, this.#options.callTimeout);
      const { calls, router } = this.#core;
      this.#core.checkStarted();
      checkName(name);
      const bytes = payloadBytes(payload);
      if (bytes.length > longestMessage - maxHead)
        throw new RangeError(
          `a payload of ${bytes.length} bytes exceeds the limit of a request (4 GiB - 1 KiB)`,
        );
      this.#options.log?.(`Calling ${name}`);
      const answer = calls.call(name, bytes, limit, signal, decode);
      if (this.#options.manual) router.onCall();
      return answer;
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /**
   * A view of this socket with typed messages: an object maps names to codecs, and callbacks,
   * requests and tasks use values instead of bytes. See `docs/typed-messages.md`.
   */
  typed<M extends Messages>(messages: M): TypedQueue<M, CallbackContext, CallbackOptions> {
    return new TypedQueue(this, messages);
  }

  /**
   * Receives the next message that no callback takes. With `block: false` it resolves with undefined
   * when there is none.
   *
   * Options and errors are those of {@link LockedSocket.recv}, and `K4NET_STATE` before `start()`.
   */
  recv(options: QueueRecvOptions & { readonly block: false }): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions & { readonly block?: true | undefined }): Promise<Bytes>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined> {
    try {
      const given = ownOptions('recv', options, ['block', 'maxSize', 'timeout', 'signal']);
      const wait = checkedWait(given);
      const maxSize = integer('maxSize', given.maxSize, Infinity, 0, Infinity);
      this.#core.checkStarted();
      const block = flag('block', given.block, true);
      const { queue } = this.#core;
      const empty = queue.size() < 0 && !queue.over && wait.signal?.aborted !== true;
      if (!block && empty) return Promise.resolve(undefined);
      return queue.receive({ maxSize, ...wait });
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Sends one message without a name. Text is sent as UTF-8.
   *
   * Resolves and rejects like {@link LockedSocket.send}. Rejects with a RangeError for bytes that
   * begin like the control messages of a queue socket (00 4B 51).
   */
  send(data: Bytes | string, options?: SendOptions): Promise<void> {
    try {
      return this.#send(checkRaw(toBytes(data)), options);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Resolves when the operating system has taken everything that was sent so far. */
  flush(options?: WaitOptions): Promise<void> {
    return this.#socket.flush(options);
  }

  /**
   * The messages that no callback takes, for `for await`. The loop ends when the peer has ended or
   * this side has closed, and throws when the socket fails. `break` leaves the socket open.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes, void> {
    const next = async (): Promise<IteratorResult<Bytes, void>> => {
      try {
        return { done: false, value: await this.recv() };
      } catch (error) {
        if (!K4netError.is(error, 'K4NET_CLOSED')) throw error;
        return { done: true, value: undefined };
      }
    };
    return {
      next: () => markHandledByClass(next()),
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * Finishes all work and closes. From now on it drops messages and refuses requests. It waits for
   * callbacks that are queued or run and for calls in flight, sends everything, and closes; messages
   * that wait for `recv` are dropped. After `timeout` (default 5000 ms) it cuts the connection.
   *
   * With `dispatch: 'manual'` it runs the held callbacks; the signals of held requests are aborted.
   * Awaited inside a callback it would deadlock: it waits for that callback. Never rejects because of
   * the peer.
   */
  drain(options?: DrainOptions): Promise<void> {
    try {
      const { timeout } = ownOptions('drain', options, ['timeout']);
      return this.#core.drain(milliseconds('timeout', timeout, defaultCloseTimeout));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Closes the socket: sends earlier messages and the closing message (or the result of `onClose`),
   * and ends like {@link LockedSocket.close}. The signals of running callbacks abort, waiting
   * callbacks are not called, messages for `recv` are dropped, and calls reject. Never rejects because
   * of the peer.
   */
  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void> {
    try {
      const given = ownOptions('close', options, ['timeout']);
      const timeout = milliseconds('timeout', given.timeout, defaultCloseTimeout);
      const last = closingMessage === undefined ? undefined : checkRaw(toBytes(closingMessage));
      return this.#core.close(last, timeout);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Ends the socket because this side has failed, like {@link LockedSocket.abort}: the calls, `recv`
   * and loops of the peer reject after they got the earlier messages. The signals of running callbacks
   * abort. Never rejects because of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, and then changes nothing.
   *
   * @param cause - the failure, for this side only: it is not sent.
   * @param options - `timeout`: milliseconds for sending earlier messages. Default 5000; 0 drops them.
   */
  abort(cause?: unknown, options?: CloseOptions): Promise<void> {
    return this.#socket.abort(cause, options);
  }

  /** Closes the socket, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(message: Bytes, options?: SendOptions): Promise<void> {
    const { closing } = this.#core;
    return closing ? rejectHandled(closing) : this.#owned.send(message, options);
  }

  /** @param onLost - called when a message cannot be sent, but not when a constructor throws. */
  async #performTasks(onLost: () => void): Promise<void> {
    for (const [name, constructor] of [...this.#tasks]) {
      this.#options.log?.(`Performing task ${name}`);
      const payload = payloadBytes(constructor);
      try {
        await this.sendRegistered(name, payload);
      } catch (error) {
        onLost();
        throw error;
      }
    }
  }

  async #recvRegistered(): Promise<number> {
    const { dispatcher, over } = this.#core;
    const { started } = dispatcher.runner;
    const called = this.#options.manual ? 0 : started - this.#counted;
    this.#counted = started;
    if (over && called === 0 && !dispatcher.waiting) throw over;
    const released = this.#options.manual ? await dispatcher.manual.release() : 0;
    await new Promise<void>(nextTurn);
    return called + released;
  }
}
