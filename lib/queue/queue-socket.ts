/// <reference lib="esnext.disposable" preserve="true" />
import type { BinaryReader } from '../binary/reader.js';
import { kindOf, toBytes, type Bytes } from '../bytes.js';
import { closedError, K4netError, TimeoutError } from '../errors.js';
import { longestMessage } from '../framing/encoder.js';
import { checkNames, flag, integer, milliseconds } from '../options.js';
import { nextTurn } from '../runtime.js';
import { claim, type Claimable, type ClaimedSocket, type MessageSocket } from '../sockets/claim.js';
import {
  checkedWait,
  type CloseInfo,
  type CloseOptions,
  type ReadyState,
  type SendOptions,
} from '../sockets/locked-socket-options.js';
import { AbortHub, bounded, checkSignal, Deferred, quiet, rejected, type WaitOptions } from '../waiting.js';
import { Budget } from './budget.js';
import { Calls } from './calls.js';
import { Dispatcher } from './dispatcher.js';
import { checkName, checkRaw, encodeKeepalive, encodeRegistered } from './envelope.js';
import { Heartbeat, type Vitals } from './heartbeat.js';
import { checkFunction, isThenable, payloadBytes, type Payload, type PayloadConstructor } from './payload.js';
import {
  checkedQueueOptions,
  type CallOptions,
  type CheckedQueueOptions,
  type CloseMessage,
  type DrainOptions,
  type QueueDepth,
  type QueueErrorInfo,
  type QueueRecvOptions,
  type QueueSocketOptions,
  type QueueSocketStats,
} from './queue-socket-options.js';
import { ReceiveQueue } from './receive-queue.js';
import type { Callback, CallbackOptions } from './registry.js';
import { report } from './reporter.js';
import { Router } from './router.js';

const defaultCloseTimeout = 5_000;

/**
 * Named messages, requests and answers over a socket of messages: what comes for a name goes to the callback that is
 * registered for it, and everything else to `recv`.
 *
 * On the wire a registered message is its name, a NUL and the payload, as in the Python library: "Queue messages" in
 * `docs/protocol.md`. Requests need this library at both ends.
 */
export class QueueSocket {
  /**
   * Resolves when the socket is gone, with how that came about: `K4NET_TIMEOUT` for one that was idle too long or
   * whose peer fell silent. Never rejects.
   */
  readonly closed: Promise<CloseInfo>;
  readonly #socket: MessageSocket;
  readonly #claimed: ClaimedSocket;
  readonly #options: CheckedQueueOptions;
  readonly #hub = new AbortHub();
  readonly #tasks = new Map<string, PayloadConstructor>();
  readonly #queue: ReceiveQueue;
  readonly #depth: Budget;
  readonly #dispatcher: Dispatcher;
  readonly #calls: Calls;
  readonly #router: Router;
  readonly #watches: Heartbeat[] = [];
  #started = false;
  #counted = 0;
  #cause: K4netError | undefined;
  #closing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;

  /**
   * @param socket - a {@link LockedSocket} or EncryptedSocket. From here on it belongs to the queue socket: its own `send`,
   * `recv`, loops and `end` reject with `K4NET_STATE`.
   * @throws TypeError for an option that does not exist, RangeError for one out of its range, `K4NET_STATE` for a socket
   * that has an owner already or on which somebody waits.
   */
  constructor(socket: MessageSocket, options: QueueSocketOptions = {}) {
    this.#options = checkedQueueOptions(options);
    if (!isClaimable(socket))
      throw new TypeError(
        `a QueueSocket is made over a LockedSocket or an EncryptedSocket, not ${kindOf(socket)}`,
      );
    const { maxQueuedBytes, maxQueuedMessages, concurrency, requestConcurrency, manual, unmatched } =
      this.#options;
    const budget = (): Budget => new Budget(maxQueuedBytes, maxQueuedMessages);
    this.#socket = socket;
    const claimed = socket[claim](() => {
      if (this.#started) this.#router.pump();
    });
    this.#claimed = claimed;
    const onRoom = (): void => {
      this.#router.onRoom();
    };
    const queueBudget = budget();
    this.#queue = new ReceiveQueue(queueBudget, this.#hub, onRoom);
    const tell = (error: unknown, name: string, kind: QueueErrorInfo['kind']): void => {
      this.#report(error, name, kind);
    };
    this.#dispatcher = new Dispatcher(
      {
        socket: this,
        get congested() {
          return claimed.congested;
        },
        send: (message) => claimed.send(message),
        report: tell,
        log: this.#options.log,
        unmatched: (name, payload) => {
          this.#router.removed(name, payload);
        },
        onRoom,
      },
      { concurrency, requestConcurrency, maxQueuedBytes, maxQueuedMessages, manual },
    );
    this.#calls = new Calls(claimed, budget, this.#hub);
    this.#router = new Router(claimed.messages, {
      dispatcher: this.#dispatcher,
      calls: this.#calls,
      queue: this.#queue,
      queueBudget,
      unmatched,
      refuse: (message) => {
        if (!claimed.congested) void claimed.send(message);
      },
      report: tell,
      over: (error) => {
        this.#onOver(error);
      },
    });
    this.#depth = queueBudget;
    this.closed = socket.closed.then((info) => {
      // Messages may still wait for callbacks, and those for answers that cannot come any more.
      this.#calls.end(info.error ?? closedError('the socket is closed'));
      return this.#cause ? { code: this.#cause.code, error: this.#cause } : info;
    });
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
    const depth = ({ messages, bytes }: Budget): QueueDepth => ({ messages, bytes });
    return {
      ...this.#socket.stats(),
      sendQueue: this.#socket.bufferedAmount,
      receiveQueue: depth(this.#depth),
      callbackQueue: depth(this.#dispatcher.messages),
      requestQueue: depth(this.#dispatcher.requests),
      callbacksRun: this.#dispatcher.performed,
      callbacksFailed: this.#dispatcher.failed,
      callsInFlight: this.#calls.pending,
      requestsInFlight: this.#dispatcher.unanswered,
      roundTripTime: this.#calls.roundTrip,
    };
  }

  /**
   * Registers the callback for messages and requests of that name, in place of an earlier one.
   *
   * @param name - 1 to 255 printable ASCII characters.
   * @throws TypeError or RangeError for wrong arguments.
   */
  registerCallback(name: string, callback: Callback, options: CallbackOptions = {}): void {
    checkFunction('a callback', callback);
    checkNames('registerCallback', options, ['concurrency', 'priority']);
    const { concurrency, priority } = options;
    if (concurrency !== undefined) integer('concurrency', concurrency, 1, 1, Infinity);
    if (priority !== undefined)
      integer('priority', priority, 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    this.#dispatcher.register(checkName(name), callback, options);
  }

  /**
   * Removes a callback; nothing happens if there is none. Messages that wait for it are then without a callback, see
   * `unmatched`.
   */
  removeCallback(name: string): void {
    this.#dispatcher.remove(checkName(name));
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
    if (this.#started) throw new K4netError('K4NET_STATE', 'this QueueSocket has been started already');
    this.#started = true;
    this.#claimed.messages.wanted();
    // What is here already waits for the end of the code that starts: it may have more to register.
    nextTurn(() => {
      this.#router.pump();
    });
    if (!this.#closing) this.#watch();
  }

  /**
   * With `dispatch: 'manual'`: calls the callbacks of all messages that are queued now, waits until they are done, gives
   * way to the rest of the program for a turn of the event loop, and resolves with the count. Not to be awaited inside
   * a callback, which it would wait for.
   *
   * With `dispatch: 'auto'` the callbacks were called already: it gives way for a turn, and resolves with how many were
   * called since the last time.
   *
   * Rejects with `K4NET_STATE` before `start()`, and when nothing is queued and nothing will come any more like `recv`.
   */
  recvRegistered(): Promise<number> {
    return this.#started ? quiet(this.#recvRegistered()) : rejected(notStarted());
  }

  /**
   * Sends the messages of all tasks, in the order of their registration. Rejects at the first constructor that throws
   * with what it threw, and like `send`.
   */
  performTasks(): Promise<void> {
    return quiet(this.#performTasks());
  }

  /**
   * Sends a registered message: it goes to the callback of that name at the other end. Resolves and rejects like
   * `send`, and with whatever a constructor throws.
   */
  sendRegistered(name: string, payload?: Payload, options?: SendOptions): Promise<void> {
    try {
      const message = encodeRegistered(checkName(name), payloadBytes(payload));
      this.#options.log?.(`Sending registered ${name}`);
      return this.#send(message, options);
    } catch (error) {
      return rejected(error);
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
  call(name: string, payload?: Payload, options: CallOptions = {}): Promise<BinaryReader> {
    try {
      checkNames('call', options, ['timeout', 'signal']);
      checkSignal(options.signal);
      const timeout = milliseconds('timeout', options.timeout, this.#options.callTimeout);
      if (!this.#started) throw notStarted();
      checkName(name);
      const bytes = payloadBytes(payload);
      if (bytes.length > longestMessage - 1024)
        throw new RangeError(`a payload of ${bytes.length} bytes is too long`);
      this.#options.log?.(`Calling ${name}`);
      return this.#calls.call(name, bytes, timeout, options.signal);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Receives the next message that no callback takes. With `block: false` it is undefined when none is here.
   *
   * Options and errors are those of {@link LockedSocket.recv}, and `K4NET_STATE` before `start()`.
   */
  recv(options: QueueRecvOptions & { readonly block: false }): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions & { readonly block?: true | undefined }): Promise<Bytes>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined>;
  recv(options: QueueRecvOptions = {}): Promise<Bytes | undefined> {
    try {
      const wait = checkedWait('recv', options, ['block', 'maxSize', 'timeout', 'signal']);
      const maxSize = integer('maxSize', options.maxSize, Infinity, 0, Infinity);
      if (!this.#started) throw notStarted();
      const block = flag('block', options.block, true);
      if (!block && this.#queue.size() < 0 && !this.#queue.over) return Promise.resolve(undefined);
      return this.#queue.receive({ maxSize, ...wait });
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
      next: () => quiet(next()),
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * Comes to an end in good order: takes no new messages and refuses new requests, finishes the callbacks that wait or
   * run and the calls that are under way, sends what there is to send, and closes. When the time is over it cuts. Not
   * to be awaited inside a callback, which it would wait for. Never rejects because of the peer.
   */
  drain(options: DrainOptions = {}): Promise<void> {
    try {
      checkNames('drain', options, ['timeout']);
      const timeout = milliseconds('timeout', options.timeout, defaultCloseTimeout);
      this.#draining ??= this.#drain(timeout);
      return this.#draining;
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Closes the socket: sends what was sent before and the closing message (or what `onClose` returns), and ends like
   * {@link LockedSocket.close}. Callbacks that run are told by their signal, those that wait are not called any more, and
   * everyone who waits on the socket is told. Never rejects because of the peer.
   */
  close(closingMessage?: Bytes | string, options: CloseOptions = {}): Promise<void> {
    try {
      checkNames('close', options, ['timeout']);
      const timeout = milliseconds('timeout', options.timeout, defaultCloseTimeout);
      const last = closingMessage === undefined ? undefined : checkRaw(toBytes(closingMessage));
      if (!this.#closing) return this.#close(last, timeout, undefined);
      const cut = (): void => void this.#socket.close(undefined, { timeout: 0 });
      if (timeout === 0) cut();
      return bounded(this.#closing, { timeout }, this.#hub, cut, 'the end of the peer');
    } catch (error) {
      return rejected(error);
    }
  }

  /** Closes the socket, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(message: Bytes, options?: SendOptions): Promise<void> {
    if (this.#closing) throw closedError('this side has closed the socket');
    return this.#claimed.send(message, options);
  }

  async #performTasks(): Promise<void> {
    for (const [name, constructor] of [...this.#tasks]) {
      this.#options.log?.(`Performing task ${name}`);
      await this.sendRegistered(name, constructor);
    }
  }

  async #recvRegistered(): Promise<number> {
    const { performed } = this.#dispatcher;
    const { over } = this.#claimed.messages;
    const last = this.#closing ? (this.#cause ?? closedError('this side has closed the socket')) : over;
    let count = performed - this.#counted;
    if (this.#options.manual) {
      if (this.#dispatcher.held === 0 && last) throw last;
      count = await this.#dispatcher.release();
    } else if (count === 0 && last && !this.#dispatcher.waiting) throw last;
    this.#counted = performed;
    await new Promise<void>(nextTurn);
    return count;
  }

  #watch(): void {
    const { heartbeat, idleTimeout } = this.#options;
    const { messages } = this.#claimed;
    if (heartbeat) {
      const vitals = (): Vitals => ({
        received: this.#claimed.received,
        sent: this.#socket.stats().bytesSent,
        paused: messages.full,
      });
      const speak = (): void => {
        // Bytes that still wait to go out are a sign of life themselves.
        if (this.#socket.bufferedAmount === 0) void this.#claimed.send(encodeKeepalive());
      };
      const dead = (): void => {
        this.#claimed.fail(new TimeoutError('a sign of life of the peer', heartbeat.timeout));
      };
      this.#watches.push(new Heartbeat(vitals, heartbeat.interval, heartbeat.timeout, speak, dead));
    }
    if (idleTimeout !== Infinity) {
      const vitals = (): Vitals => ({
        received: this.#router.arrived,
        sent: 0,
        paused: messages.full || this.#router.stalled,
      });
      const idle = (): void => {
        this.#onIdle(idleTimeout);
      };
      this.#watches.push(new Heartbeat(vitals, Infinity, idleTimeout, () => undefined, idle));
    }
  }

  #onIdle(timeout: number): void {
    try {
      this.#options.onTimeout?.(this);
    } catch (error) {
      this.#report(error, 'onTimeout', 'hook');
    }
    if (this.#closing) return;
    this.#cause = new TimeoutError('a message of the peer', timeout);
    void this.#close(undefined, defaultCloseTimeout, this.#cause);
  }

  /** The peer has ended or the connection broke, and everything that came has been given out. */
  #onOver(error: K4netError): void {
    if (this.#closing) return;
    this.#queue.end(error);
    this.#calls.end(error);
    void this.#finish(K4netError.is(error, 'K4NET_CLOSED') ? undefined : error);
  }

  /** Lets callbacks that answer the peer's last requests come to their end, for a while, and closes. */
  async #finish(cause: K4netError | undefined): Promise<void> {
    if (cause) this.#dispatcher.abort(cause);
    else await this.#within(this.#dispatcher.idle(), defaultCloseTimeout);
    if (!this.#closing) await this.#close(undefined, defaultCloseTimeout, cause, true);
  }

  async #drain(timeout: number): Promise<void> {
    const until = performance.now() + timeout;
    const left = (): number => Math.max(0, until - performance.now());
    const settled = async (): Promise<void> => {
      this.#router.drain();
      await this.#dispatcher.release();
      await Promise.all([this.#dispatcher.idle(), this.#calls.idle()]);
      await this.#socket.flush();
    };
    await this.#within(settled(), timeout);
    await this.close(undefined, { timeout: left() });
  }

  /** Waits for something, but not longer than that, and not longer than the socket lives. */
  async #within(promise: Promise<unknown>, timeout: number): Promise<void> {
    const over = new Deferred<void>();
    const resolve = (): void => {
      over.resolve();
    };
    promise.then(resolve, resolve);
    void this.closed.then(resolve);
    await bounded(over.promise, { timeout }, this.#hub, resolve, '');
  }

  /**
   * @param cause - what makes it close, if it is not this side's wish.
   * @param keep - whether what came before is still given out.
   */
  #close(
    last: Bytes | undefined,
    timeout: number,
    cause: K4netError | undefined,
    keep: boolean = false,
  ): Promise<void> {
    const reason = cause ?? closedError('this side has closed the socket');
    const ended = new Deferred<void>();
    this.#closing = ended.promise;
    this.#router.stop();
    for (const watch of this.#watches.splice(0)) watch.stop();
    this.#calls.end(reason);
    this.#dispatcher.abort(reason);
    if (!keep) {
      this.#dispatcher.stop();
      this.#queue.discard(reason);
    }
    const finish = (word: Bytes | undefined): void => {
      void this.#socket.close(last ?? word, { timeout }).then(ended.resolve);
    };
    this.#askForWord(cause, timeout, finish);
    return ended.promise;
  }

  /** Calls `onClose`, waits for what it returns if it must, and goes on in any case. */
  #askForWord(cause: K4netError | undefined, timeout: number, go: (word: Bytes | undefined) => void): void {
    const fail = (error: unknown): void => {
      this.#report(error, 'onClose', 'hook');
    };
    const take = (word: CloseMessage): Bytes | undefined =>
      word === undefined ? undefined : checkRaw(toBytes(word));
    try {
      const word = this.#options.onClose?.(cause);
      if (!isThenable(word)) {
        go(take(word));
        return;
      }
      let late: Bytes | undefined;
      const asked = Promise.resolve(word).then((value) => {
        late = take(value);
      });
      asked.catch(fail);
      void this.#within(asked, timeout).then(() => {
        go(late);
      });
    } catch (error) {
      fail(error);
      go(undefined);
    }
  }

  #report(error: unknown, name: string, kind: QueueErrorInfo['kind']): void {
    report(this.#options.onError, error, { name, kind });
  }
}

function isClaimable(socket: MessageSocket): socket is Claimable {
  return typeof socket === 'object' && (socket as unknown) !== null && claim in socket;
}

function notStarted(): K4netError {
  return new K4netError('K4NET_STATE', 'this QueueSocket has not been started');
}
