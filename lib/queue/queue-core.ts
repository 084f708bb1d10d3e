import { createStreams } from '#streams';
import { closedError, K4netError, TimeoutError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { takeOver, type OwnedSocket } from '../sockets/acquire.js';
import { defaultCloseTimeout } from '../sockets/locked-socket-options.js';
import type { CloseInfo, MessageSocket } from '../sockets/message-socket.js';
import { toBytes, type Bytes } from '../util/bytes.js';
import { AbortHub, Deferred, isPromiseLike, withDeadline } from '../util/wait.js';
import { Calls } from './calls.js';
import { Dispatcher } from './dispatcher.js';
import { checkRaw } from './envelope.js';
import { ErrorHooks } from './error-hooks.js';
import { FlowWindow, requestWindow } from './flow-window.js';
import { Memberships, type Recipient } from './memberships.js';
import type { CheckedQueueOptions, CloseMessage } from './queue-socket-options.js';
import { ReceiveQueue } from './receive-queue.js';
import { Router } from './router.js';
import type { StreamHost } from './stream-host.js';
import { streamTools } from './stream-tools.js';
import type { QueueSocketLike } from './types.js';
import { Watches } from './watches.js';

/** The parts of a queue socket, and its life cycle: start, drain, idle timeout, close and end. */
export class QueueCore implements Recipient {
  readonly closed: Promise<CloseInfo>;
  readonly owned: OwnedSocket;
  readonly queue: ReceiveQueue;
  readonly dispatcher: Dispatcher;
  readonly calls: Calls;
  readonly streams: StreamHost;
  readonly hooks: ErrorHooks;
  readonly router: Router;
  readonly memberships: Memberships;
  readonly #hub = new AbortHub();
  readonly #owner: QueueSocketLike;
  readonly #socket: MessageSocket;
  readonly #options: CheckedQueueOptions;
  readonly #watches = new Watches();
  #started = false;
  #cause: K4netError | undefined;
  #closing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;

  constructor(owner: QueueSocketLike, socket: MessageSocket, options: CheckedQueueOptions) {
    this.#owner = owner;
    this.#socket = socket;
    this.#options = options;
    this.memberships = new Memberships(owner);
    this.owned = takeOver(socket, () => {
      this.memberships.check();
      if (this.#started) this.router.pump();
    });
    const { maxQueuedBytes, maxQueuedMessages } = options;
    const onRoom = (): void => {
      this.router.onRoom();
    };
    this.hooks = new ErrorHooks(options.onError, options.log, socket);
    const window = new FlowWindow(maxQueuedBytes, maxQueuedMessages);
    this.queue = new ReceiveQueue(window, this.#hub, onRoom, () => {
      this.hooks.warnUnread(window);
    });
    this.streams = createStreams(this.owned, options, () => this.calls, streamTools, {
      onRoom,
      onFail: (error) => {
        this.owned.fail(error);
      },
    });
    this.dispatcher = new Dispatcher(
      owner,
      this.owned,
      options,
      this.hooks,
      {
        onRoom,
        onUnmatched: (name, payload) => {
          this.router.removed(name, payload);
        },
      },
      this.streams,
    );
    this.calls = new Calls(
      this.owned,
      () => requestWindow(maxQueuedBytes, maxQueuedMessages),
      this.#hub,
      this.hooks.trace,
    );
    this.router = new Router(this.owned, this, options.unmatched, this.hooks, (error) => {
      this.#onOver(error);
    });
    this.closed = socket.closed.then((info) => this.#onGone(info));
  }

  /** The reason why no further message arrives, once all messages were handled. */
  get over(): K4netError | undefined {
    return this.#closing ? this.#reason : this.owned.messages.over;
  }

  get #reason(): K4netError {
    return this.#cause ?? closedError('this side has closed the socket');
  }

  /** The reason why no further message can be sent, once this side closes. */
  get closing(): K4netError | undefined {
    return this.#closing && this.#reason;
  }

  checkStarted(): void {
    if (!this.#started)
      throw new K4netError('K4NET_STATE', 'this QueueSocket has not been started: call start()');
  }

  start(): void {
    if (this.#started) throw new K4netError('K4NET_STATE', 'this QueueSocket has been started already');
    this.#started = true;
    this.owned.messages.wanted();
    // The code that calls `start` may register more callbacks before it returns.
    nextTurn(() => {
      this.router.pump();
    });
    if (this.#closing) return;
    this.#watches.start(this.#socket, this.owned, this.router, this.#options, () => {
      this.#onIdle(this.#options.idleTimeout);
    });
  }

  drain(timeout: number): Promise<void> {
    this.#draining ??= this.#drain(timeout);
    return this.#draining;
  }

  close(last: Bytes | undefined, timeout: number): Promise<void> {
    if (!this.#closing) return this.#close(last, timeout, undefined);
    const cut = (): void => void this.#socket.close(undefined, { timeout: 0 });
    if (timeout === 0) cut();
    return withDeadline(
      this.#closing,
      { timeout, signal: undefined },
      this.#hub,
      cut,
      'the peer did not end',
    );
  }

  /** The idle timeout has passed. */
  #onIdle(timeout: number): void {
    this.hooks.run(() => this.#options.onTimeout?.(this.#owner), 'onTimeout');
    if (this.#closing) return;
    this.#cause = new TimeoutError('the peer sent no message', timeout, undefined, 'idleTimeout');
    void this.#close(undefined, defaultCloseTimeout, this.#cause);
  }

  /** The peer has ended or the connection failed, and all messages have been routed. */
  #onOver(error: K4netError): void {
    if (this.#closing) return;
    if (K4netError.is(error, 'K4NET_ABORTED')) {
      void this.#close(undefined, defaultCloseTimeout, error);
      return;
    }
    this.#watches.stop();
    this.queue.end(error);
    this.#endCalls(error);
    this.dispatcher.runner.abortStreams(error);
    void this.#finish(K4netError.is(error, 'K4NET_CLOSED') ? undefined : error);
  }

  /** The connection has closed. Messages may still wait to be routed. */
  #onGone(info: CloseInfo): CloseInfo | Promise<CloseInfo> {
    const { catchingUp } = this.router;
    // Answers that arrived before the end still go to their calls.
    if (catchingUp) return catchingUp.then(() => this.#onGone(info));
    this.#watches.stop();
    const error = info.error ?? closedError('the socket is closed');
    this.#endCalls(error);
    this.dispatcher.abort(error);
    return this.#cause ? { code: this.#cause.code, error: this.#cause } : info;
  }

  #endCalls(error: K4netError): void {
    this.calls.end(error);
    this.streams.end();
  }

  /** Waits at most 5 s for callbacks that answer the last requests of the peer, and closes. */
  async #finish(cause: K4netError | undefined): Promise<void> {
    if (cause) this.dispatcher.abort(cause);
    else await this.#within(this.dispatcher.idle(), defaultCloseTimeout);
    if (!this.#closing) await this.#close(undefined, defaultCloseTimeout, cause, true);
  }

  async #drain(timeout: number): Promise<void> {
    const until = performance.now() + timeout;
    const left = (): number => Math.max(0, until - performance.now());
    const settled = async (): Promise<void> => {
      this.router.drain();
      this.dispatcher.abortHeld(closedError('this side is closing the socket'));
      await this.dispatcher.manual.release();
      await Promise.all([this.dispatcher.idle(), this.calls.idle()]);
      await this.#socket.flush();
    };
    await this.#within(settled(), timeout);
    await this.close(undefined, left());
  }

  /** Waits until a promise settles, the timeout passes, or the socket has closed. */
  async #within(promise: Promise<unknown>, timeout: number): Promise<void> {
    const over = new Deferred<void>();
    const resolve = (): void => {
      over.resolve();
    };
    promise.then(resolve, resolve);
    void this.closed.then(resolve);
    await withDeadline(over.promise, { timeout, signal: undefined }, this.#hub, resolve, '');
  }

  /**
   * @param cause - the error that closes the socket; undefined if the program closes it.
   * @param keep - whether messages that arrived before are still handled.
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
    this.memberships.end();
    this.router.stop();
    this.#watches.stop();
    this.#endCalls(reason);
    this.dispatcher.abort(reason);
    if (!keep) {
      this.dispatcher.stop();
      this.queue.discard(reason);
    }
    const until = performance.now() + timeout;
    const finish = (message: Bytes | undefined): void => {
      const left = { timeout: Math.max(0, Math.ceil(until - performance.now())) };
      const closed = this.#socket.close(last ?? message, left);
      // After a half-close the closing message is rejected: close without it.
      void closed.catch(() => this.#socket.close(undefined, left)).then(ended.resolve);
    };
    // A hook that never ends must leave time to send earlier messages.
    this.#runOnClose(cause, timeout / 2, finish);
    return ended.promise;
  }

  /** Calls `onClose`, waits for its promise within the timeout, and then always calls `go`. */
  #runOnClose(
    cause: K4netError | undefined,
    timeout: number,
    go: (message: Bytes | undefined) => void,
  ): void {
    const fail = (error: unknown): void => {
      this.hooks.report(error, 'onClose', 'hook');
    };
    const check = (message: CloseMessage | void): Bytes | undefined =>
      message === undefined ? undefined : checkRaw(toBytes(message));
    try {
      const message = this.#options.onClose?.(cause);
      if (!isPromiseLike(message)) {
        go(check(message));
        return;
      }
      let late: Bytes | undefined;
      const asked = Promise.resolve(message).then((value) => {
        late = check(value);
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
}
