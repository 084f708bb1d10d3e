/// <reference lib="esnext.disposable" preserve="true" />
import type { BinaryReader } from '../binary/reader.js';
import { toBytes, type Bytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { longestMessage } from '../transport/framing/encoder.js';
import { flag, integer, milliseconds, ownOptions } from '../util/options.js';
import { nextTurn } from '../platform/runtime.js';
import type { OwnedSocket, MessageSocket } from '../sockets/acquire.js';
import {
  checkedWait,
  type CloseInfo,
  type CloseOptions,
  type ReadyState,
  type SendOptions,
} from '../sockets/locked-socket-options.js';
import {
  checkSignal,
  markHandledByClass,
  rejectUnhandled,
  markHandled,
  rejectHandled,
  rejected,
  type WaitOptions,
} from '../util/wait.js';
import type { FlowWindow } from './flow-window.js';
import { checkName, checkRaw, encodeRegistered, registeredHead } from './envelope.js';
import { checkFunction, payloadBytes } from './payload.js';
import { defaultCloseTimeout, QueueCore } from './queue-core.js';
import { checkedQueueOptions, type CheckedQueueOptions } from './queue-socket-options.js';
import type { Messages } from '../codec/messages.js';
import { TypedQueue } from './typed-queue.js';
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

/**
 * Named messages, requests and answers over a socket of messages: what comes for a name goes to the callback that is
 * registered for it, and everything else to `recv`.
 *
 * On the wire a registered message is its name, a NUL and the payload, as in the Python library: "Queue messages" in
 * `docs/protocol.md`. Requests need this library at both ends.
 */
export class QueueSocket implements QueueSocketLike {
  /**
   * Resolves when the socket is gone, with how that came about: `K4NET_TIMEOUT` for one that was idle too long or
   * whose peer fell silent. Never rejects.
   */
  readonly closed: Promise<CloseInfo>;
  readonly #socket: MessageSocket;
  readonly #claimed: OwnedSocket;
  readonly #options: CheckedQueueOptions;
  readonly #core: QueueCore;
  readonly #tasks = new Map<string, PayloadConstructor>();
  #counted = 0;

  /**
   * @param socket - a {@link LockedSocket} or EncryptedSocket. From here on it belongs to the queue socket: its own `send`,
   * `recv`, loops and `end` reject with `K4NET_STATE`.
   * @throws TypeError for an option that does not exist, RangeError for one out of its range, `K4NET_STATE` for a socket
   * that has an owner already or on which somebody waits.
   */
  constructor(socket: MessageSocket, options?: QueueSocketOptions) {
    this.#options = checkedQueueOptions(options);
    this.#socket = socket;
    this.#core = new QueueCore(this, socket, this.#options);
    this.#claimed = this.#core.claimed;
    this.closed = this.#core.closed;
  }

  /** Where the socket is in its life. */
  get readyState(): ReadyState {
    return this.#socket.readyState;
  }

  /** Bytes that were sent and are not yet with the operating system. */
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  /** The peer as `address:port`, or an empty string where the stream has no such thing. */
  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }

  /** This end as `address:port`, or an empty string where the stream has no such thing. */
  get localAddress(): string {
    return this.#socket.localAddress;
  }

  /** Lets the process live for this socket (the default). */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process end in spite of this socket. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** What went through this socket so far, and what waits in it now. */
  stats(): QueueSocketStats {
    const { dispatcher, calls, queueBudget } = this.#core;
    const depth = ({ messages, bytes }: FlowWindow): QueueDepth => ({ messages, bytes });
    return {
      ...this.#socket.stats(),
      sendQueue: this.#socket.bufferedAmount,
      receiveQueue: depth(queueBudget),
      callbackQueue: depth(dispatcher.messages),
      requestQueue: depth(dispatcher.requests),
      callbacksRun: dispatcher.performed,
      callbacksFailed: dispatcher.failed,
      callsInFlight: calls.pending,
      requestsInFlight: dispatcher.unanswered,
      roundTripTime: calls.roundTrip,
    };
  }

  /**
   * Registers the callback for messages and requests of that name, in place of an earlier one.
   *
   * @param name - 1 to 255 printable ASCII characters.
   * @throws TypeError or RangeError for wrong arguments.
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

  /**
   * Removes a callback; nothing happens if there is none. Messages that wait for it are then without a callback, see
   * `unmatched`.
   */
  removeCallback(name: string): void {
    this.#core.dispatcher.remove(checkName(name));
  }

  /**
   * Registers a task: `performTasks` sends what the constructor writes, as a registered message of that name.
   *
   * @param name - 1 to 255 printable ASCII characters.
   */
  registerTask(name: string, constructor: PayloadConstructor): void {
    checkFunction('a constructor', constructor);
    this.#tasks.set(checkName(name), constructor);
  }

  /** Removes a task; nothing happens if there is none. */
  removeTask(name: string): void {
    this.#tasks.delete(checkName(name));
  }

  /**
   * Begins to receive. To be called once, when the callbacks are registered: what comes earlier waits.
   *
   * @throws K4netError `K4NET_STATE` the second time.
   */
  start(): void {
    this.#core.start();
  }

  /**
   * With `dispatch: 'manual'`: calls the callbacks of all messages that are queued now, waits until they are done, gives
   * way to the rest of the program for a turn of the event loop, and resolves with the count. Not to be awaited inside
   * a callback, which it would wait for. While it waits and a `call` of this side has no answer,
   * it also calls the callbacks of messages that fill a queue: the answer may be behind them.
   *
   * With `dispatch: 'auto'` the callbacks were called already: it gives way for a turn, and resolves with how many were
   * called since the last time.
   *
   * Rejects with `K4NET_STATE` before `start()`, and when nothing is queued and nothing will come any more like `recv`.
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
   * Sends the messages of all tasks, in the order of their registration. Rejects at the first constructor that throws
   * with what it threw, and like `send`.
   */
  performTasks(): Promise<void> {
    const performed: Promise<void> = this.#performTasks(() => void markHandled(performed));
    return performed;
  }

  /**
   * Sends a registered message: it goes to the callback of that name at the other end. Resolves and rejects like
   * `send`, and with whatever a constructor throws.
   */
  sendRegistered(name: string, payload?: Payload, options?: SendOptions): Promise<void> {
    try {
      checkName(name);
      const bytes = payloadBytes(payload);
      this.#options.log?.(`Sending registered ${name}`);
      if (options) return this.#send(encodeRegistered(name, bytes), options);
      const { closing } = this.#core;
      return closing ? rejectHandled(closing) : this.#claimed.sendHeaded(registeredHead(name), bytes);
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /**
   * Makes a request of the callback of that name at the other end, and resolves with a reader over its answer: a view, so
   * `slice()` what is kept for long.
   *
   * Rejects with a {@link RemoteError} when the callback fails or is not there, with a {@link TimeoutError} or the reason
   * of the signal (the callback's signal aborts then too), with `K4NET_STATE` before `start()`, and with whatever ends the
   * socket.
   */
  call(name: string, payload?: Payload, options?: CallOptions): Promise<BinaryReader> {
    try {
      const given = ownOptions('call', options, ['timeout', 'signal']);
      checkSignal(given.signal);
      const timeout = milliseconds('timeout', given.timeout, this.#options.callTimeout);
      this.#core.checkStarted();
      checkName(name);
      const bytes = payloadBytes(payload);
      if (bytes.length > longestMessage - 1024)
        throw new RangeError(`a payload of ${bytes.length} bytes is too long`);
      this.#options.log?.(`Calling ${name}`);
      return this.#core.call(name, bytes, timeout, given.signal);
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /**
   * A view of this socket that knows the types of its messages: an object maps names to codecs, and callbacks, requests and
   * tasks get and give values instead of bytes. `docs/typed-messages.md` has more.
   */
  typed<M extends Messages>(messages: M): TypedQueue<M, CallbackContext, CallbackOptions> {
    return new TypedQueue(this, messages);
  }

  /**
   * Receives the next message that no callback takes. With `block: false` it is undefined when none is here.
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
   * Sends one message as it is; for a name there is `sendRegistered`. Text is sent as UTF-8.
   *
   * Resolves and rejects like {@link LockedSocket.send}, and with a RangeError for bytes that begin like the control
   * messages of a queue socket (00 4B 51).
   */
  send(data: Bytes | string, options?: SendOptions): Promise<void> {
    try {
      return this.#send(checkRaw(toBytes(data)), options);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Resolves when everything sent so far is with the operating system. */
  flush(options?: WaitOptions): Promise<void> {
    return this.#socket.flush(options);
  }

  /**
   * The messages that no callback takes, for `for await`. The loop ends when the peer has ended or this side has closed,
   * and throws when the socket breaks. `break` leaves the socket open.
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
   * Comes to an end in good order: drops messages and refuses requests that come from then on, finishes the callbacks
   * that wait or run and the calls that are under way, sends what there is to send, and closes, which drops what waits
   * for `recv`. With `dispatch: 'manual'` it calls the callbacks that wait, those of requests with a signal that is aborted. When
   * the time is over it cuts. Not to be awaited inside a callback, which it would wait for. Never rejects
   * because of the peer.
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
   * Closes the socket: sends what was sent before and the closing message (or what `onClose` returns), and ends like
   * {@link LockedSocket.close}. Callbacks that run are told by their signal, those that wait are not called any more, what
   * waits for `recv` is dropped, and everyone who waits on the socket is told. Never rejects because of the peer.
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
   * Ends the socket because this side has failed, like {@link LockedSocket.abort}: the peer's calls, `recv` and loops reject
   * after what was sent before. Callbacks that run are told by their signal. Never rejects because of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, and then changes nothing.
   *
   * @param cause - what failed, for this side only: the peer does not get it.
   * @param options - `timeout`: milliseconds that the peer has to take what was sent before. Default 5000; 0 drops it.
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
    return closing ? rejectHandled(closing) : this.#claimed.send(message, options);
  }

  /** @param onLost - called when a message cannot be sent: what a constructor throws is no such error. */
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
    const { performed } = dispatcher;
    const called = this.#options.manual ? 0 : performed - this.#counted;
    this.#counted = performed;
    if (over && called === 0 && !dispatcher.waiting) throw over;
    const released = this.#options.manual ? await dispatcher.release() : 0;
    await new Promise<void>(nextTurn);
    return called + released;
  }
}
