import type { BinaryReader } from '../binary/reader.js';
import { kindOf, toBytes, type Bytes } from '../util/bytes.js';
import { closedError, K4netError, TimeoutError } from '../errors.js';
import { escapeText } from '../util/escape.js';
import { noHead } from '../transport/framing/encoder.js';
import { nextTurn } from '../platform/runtime.js';
import { acquire, type Acquirable, type OwnedSocket, type MessageSocket } from '../sockets/acquire.js';
import type { CloseInfo } from '../sockets/locked-socket-options.js';
import { AbortHub, withDeadline, Deferred, isPromiseLike, type AbortSignalLike } from '../util/wait.js';
import { FlowWindow, requestWindow } from './flow-window.js';
import { Calls } from './calls.js';
import { Dispatcher } from './dispatcher.js';
import { checkRaw, encodeFailure, encodeKeepalive } from './envelope.js';
import { Heartbeat, type Vitals } from './heartbeat.js';
import type { CheckedQueueOptions } from './queue-socket-options.js';
import type { CloseMessage, QueueErrorInfo, QueueSocketLike } from './types.js';
import { ReceiveQueue } from './receive-queue.js';
import { callHook, reportError, reportUnmatched, warnUnread } from './error-hooks.js';
import { Router } from './router.js';

/** Milliseconds for an end that nobody has set a time for. */
export const defaultCloseTimeout = 5_000;

/** The parts of a queue socket and its life, from the start to the end. */
export class QueueCore {
  readonly closed: Promise<CloseInfo>;
  readonly claimed: OwnedSocket;
  readonly hub: AbortHub = new AbortHub();
  readonly queueBudget: FlowWindow;
  readonly queue: ReceiveQueue;
  readonly dispatcher: Dispatcher;
  readonly calls: Calls;
  readonly #owner: QueueSocketLike;
  readonly #socket: MessageSocket;
  readonly #options: CheckedQueueOptions;
  readonly #router: Router;
  readonly #watches: Heartbeat[] = [];
  #started = false;
  #cause: K4netError | undefined;
  #closing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;

  constructor(owner: QueueSocketLike, socket: MessageSocket, options: CheckedQueueOptions) {
    this.#owner = owner;
    this.#socket = socket;
    this.#options = options;
    this.claimed = takeOver(socket, () => {
      if (this.#started) this.#router.pump();
    });
    const { maxQueuedBytes, maxQueuedMessages } = options;
    const onRoom = (): void => {
      this.#router.onRoom();
    };
    const tell = this.#report.bind(this);
    const trace = tracer(options.log, socket);
    this.queueBudget = new FlowWindow(maxQueuedBytes, maxQueuedMessages);
    this.queue = new ReceiveQueue(this.queueBudget, this.hub, onRoom, () => {
      warnUnread(socket.remoteAddress, this.queueBudget);
    });
    this.dispatcher = new Dispatcher(
      {
        socket: owner,
        outlet: this.claimed,
        report: tell,
        log: options.log,
        trace,
        unmatched: (name, payload) => {
          this.#router.removed(name, payload);
        },
        onRoom,
      },
      options,
    );
    this.calls = new Calls(
      this.claimed,
      () => requestWindow(maxQueuedBytes, maxQueuedMessages),
      this.hub,
      trace,
    );
    this.#router = new Router(this.claimed.messages, {
      dispatcher: this.dispatcher,
      calls: this.calls,
      queue: this.queue,
      queueBudget: this.queueBudget,
      unmatched: options.unmatched,
      refuse: (id, name) => {
        trace?.(`Refusing request ${id} of ${name}: this side is closing`);
        if (this.claimed.congested) return;
        void this.claimed.sendCopy(noHead, encodeFailure(id, 'K4NET_CLOSED', 'this side is closing'));
      },
      reportMalformed: (error) => {
        trace?.(`Dropping a control message: ${error.message}`);
        tell(error, '', 'control');
      },
      onUnmatched: (name) => {
        trace?.(`Dropping a message for ${name}, which has no callback`);
        if (options.unmatched === 'error') reportUnmatched(options.onError, name, socket.remoteAddress);
      },
      fail: (error) => {
        this.claimed.fail(error);
      },
      over: (error) => {
        this.#onOver(error);
      },
    });
    this.closed = socket.closed.then((info) => this.#onGone(info));
  }

  /** Why nothing goes on here any more, once nothing that came before waits. */
  get over(): K4netError | undefined {
    return this.#closing ? this.#reason : this.claimed.messages.over;
  }

  get #reason(): K4netError {
    return this.#cause ?? closedError('this side has closed the socket');
  }

  checkStarted(): void {
    if (!this.#started) throw new K4netError('K4NET_STATE', 'this QueueSocket has not been started');
  }

  /** Why nothing can be sent any more, once this side closes. */
  get closing(): K4netError | undefined {
    return this.#closing && this.#reason;
  }

  start(): void {
    if (this.#started) throw new K4netError('K4NET_STATE', 'this QueueSocket has been started already');
    this.#started = true;
    this.claimed.messages.wanted();
    // What is here already waits for the end of the code that starts: it may have more to register.
    nextTurn(() => {
      this.#router.pump();
    });
    if (!this.#closing) this.#watch();
  }

  call(name: string, payload: Bytes, timeout: number, signal?: AbortSignalLike): Promise<BinaryReader> {
    const answer = this.calls.call(name, payload, timeout, signal);
    if (this.#options.manual) this.#router.onCall();
    return answer;
  }

  drain(timeout: number): Promise<void> {
    this.#draining ??= this.#drain(timeout);
    return this.#draining;
  }

  close(last: Bytes | undefined, timeout: number): Promise<void> {
    if (!this.#closing) return this.#close(last, timeout, undefined);
    const cut = (): void => void this.#socket.close(undefined, { timeout: 0 });
    if (timeout === 0) cut();
    return withDeadline(this.#closing, { timeout, signal: undefined }, this.hub, cut, 'the peer did not end');
  }

  #watch(): void {
    const { heartbeat, idleTimeout } = this.#options;
    const { messages } = this.claimed;
    if (heartbeat) {
      const vitals = (): Vitals => ({
        received: this.claimed.received,
        sent: this.#socket.stats().bytesSent,
        paused: messages.full,
      });
      const speak = (): void => {
        // Bytes that still wait to go out are a sign of life themselves.
        if (this.#socket.bufferedAmount === 0) void this.claimed.sendCopy(noHead, encodeKeepalive());
      };
      const dead = (): void => {
        this.claimed.fail(new TimeoutError('the peer gave no sign of life', heartbeat.timeout));
      };
      this.#watches.push(new Heartbeat(vitals, heartbeat.interval, heartbeat.timeout, speak, dead));
    }
    if (idleTimeout !== Infinity) {
      const vitals = (): Vitals => ({
        received: this.#router.arrived,
        sent: 0,
        paused: messages.full || this.#router.blocked,
      });
      const idle = (): void => {
        this.#onIdle(idleTimeout);
      };
      this.#watches.push(new Heartbeat(vitals, Infinity, idleTimeout, () => undefined, idle));
    }
  }

  #stopWatches(): void {
    for (const watch of this.#watches.splice(0)) watch.stop();
  }

  #onIdle(timeout: number): void {
    const { onTimeout, onError } = this.#options;
    callHook(() => onTimeout?.(this.#owner), 'onTimeout', onError);
    if (this.#closing) return;
    this.#cause = new TimeoutError('the peer sent no message', timeout);
    void this.#close(undefined, defaultCloseTimeout, this.#cause);
  }

  /** The peer has ended or the connection broke, and everything that came has been given out. */
  #onOver(error: K4netError): void {
    if (this.#closing) return;
    if (K4netError.is(error, 'K4NET_ABORTED')) {
      void this.#close(undefined, defaultCloseTimeout, error);
      return;
    }
    this.#stopWatches();
    this.queue.end(error);
    this.calls.end(error);
    void this.#finish(K4netError.is(error, 'K4NET_CLOSED') ? undefined : error);
  }

  /** The connection is no more, whatever still waits here to be given out. */
  #onGone(info: CloseInfo): CloseInfo | Promise<CloseInfo> {
    const { catchingUp } = this.#router;
    // The answers that came before are still to be given to their calls.
    if (catchingUp) return catchingUp.then(() => this.#onGone(info));
    this.#stopWatches();
    const error = info.error ?? closedError('the socket is closed');
    this.calls.end(error);
    this.dispatcher.abort(error);
    return this.#cause ? { code: this.#cause.code, error: this.#cause } : info;
  }

  /** Lets callbacks that answer the peer's last requests come to their end, for a while, and closes. */
  async #finish(cause: K4netError | undefined): Promise<void> {
    if (cause) this.dispatcher.abort(cause);
    else await this.#within(this.dispatcher.idle(), defaultCloseTimeout);
    if (!this.#closing) await this.#close(undefined, defaultCloseTimeout, cause, true);
  }

  async #drain(timeout: number): Promise<void> {
    const until = performance.now() + timeout;
    const left = (): number => Math.max(0, until - performance.now());
    const settled = async (): Promise<void> => {
      this.#router.drain();
      this.dispatcher.abortHeld(closedError('this side is closing the socket'));
      await this.dispatcher.release();
      await Promise.all([this.dispatcher.idle(), this.calls.idle()]);
      await this.#socket.flush();
    };
    await this.#within(settled(), timeout);
    await this.close(undefined, left());
  }

  /** Waits for something, but not longer than that, and not longer than the socket lives. */
  async #within(promise: Promise<unknown>, timeout: number): Promise<void> {
    const over = new Deferred<void>();
    const resolve = (): void => {
      over.resolve();
    };
    promise.then(resolve, resolve);
    void this.closed.then(resolve);
    await withDeadline(over.promise, { timeout, signal: undefined }, this.hub, resolve, '');
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
    this.#stopWatches();
    this.calls.end(reason);
    this.dispatcher.abort(reason);
    if (!keep) {
      this.dispatcher.stop();
      this.queue.discard(reason);
    }
    const until = performance.now() + timeout;
    const finish = (word: Bytes | undefined): void => {
      const left = { timeout: Math.max(0, Math.ceil(until - performance.now())) };
      const closed = this.#socket.close(last ?? word, left);
      // It refuses the last message only: its direction had ended before it came here.
      void closed.catch(() => this.#socket.close(undefined, left)).then(ended.resolve);
    };
    // A hook that does not come to an end leaves time for what was sent before.
    this.#askForWord(cause, timeout / 2, finish);
    return ended.promise;
  }

  /** Calls `onClose`, waits for what it returns if it must, and goes on in any case. */
  #askForWord(cause: K4netError | undefined, timeout: number, go: (word: Bytes | undefined) => void): void {
    const fail = (error: unknown): void => {
      this.#report(error, 'onClose', 'hook');
    };
    const take = (word: CloseMessage | void): Bytes | undefined =>
      word === undefined ? undefined : checkRaw(toBytes(word));
    try {
      const word = this.#options.onClose?.(cause);
      if (!isPromiseLike(word)) {
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
    reportError(this.#options.onError, error, { name, kind });
  }
}

/** Escapes each line, since a peer's text may be in it, and adds the peer: a server has many. */
function tracer(log: CheckedQueueOptions['log'], socket: MessageSocket): CheckedQueueOptions['log'] {
  return (
    log &&
    ((line) => {
      log(`${escapeText(line)} (peer ${socket.remoteAddress || 'without an address'})`);
    })
  );
}

function takeOver(socket: MessageSocket, onChange: () => void): OwnedSocket {
  if (isClaimable(socket)) return socket[acquire](onChange);
  throw new TypeError(
    `a QueueSocket is made over a LockedSocket or an EncryptedSocket, not ${kindOf(socket)}`,
  );
}

function isClaimable(socket: MessageSocket): socket is Acquirable {
  return typeof socket === 'object' && (socket as unknown) !== null && acquire in socket;
}
