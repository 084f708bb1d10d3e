/// <reference lib="esnext.disposable" preserve="true" />
import { toBytes, type Bytes } from '../util/bytes.js';
import { causeOf, debug, nameOf } from '../util/debug.js';
import { closedError, K4netError, TimeoutError, toK4netError } from '../errors.js';
import { longestMessage, type MessageHead } from '../transport/framing/encoder.js';
import { integer, milliseconds, noOptions, ownOptions } from '../util/options.js';
import { nextTurn } from '../platform/runtime.js';
import { toTransport } from '#duplex';
import type { DuplexLike } from '../transport/duplex.js';
import type { Sink, Transport } from '../transport/transport.js';
import {
  AbortHub,
  withDeadline,
  checkSignal,
  Deferred,
  markHandledByClass,
  markHandled,
  rejectHandled,
  rejected,
  startTimer,
  type WaitOptions,
} from '../util/wait.js';
import { acquire, type OwnedSocket } from './acquire.js';
import { ownedError, Inbox } from './inbox.js';
import {
  checkedOptions,
  checkedWait,
  type CloseInfo,
  type CloseOptions,
  type LockedSocketOptions,
  type ReadyState,
  type RecvOptions,
  type SendOptions,
  type SocketStats,
} from './locked-socket-options.js';
import { fail, onEmptyEnd } from './internal.js';
import { iterate, iterateBatches, toText } from './iteration.js';
import { Outbox } from './outbox.js';

const defaultCloseTimeout = 5_000;
const cutMessage = 'this side cut the connection: the peer did not end';
/** How long a peer may read what was sent before a reset that could overtake it, in milliseconds. */
const resetDelay = 100;

/**
 * A socket of messages over a stream of bytes: what one side sends as one message, the other receives as one.
 *
 * On the wire a message is its length (unsigned, 32 bits, little-endian) and its bytes: `docs/protocol.md`,
 * "Plain messages".
 *
 * `send` and `recv` may be called at any time, also many at once: each kind is served in the order of the calls.
 */
export class LockedSocket {
  // One object, and not a closure for every call: a connection has it for as long as it lives.
  static readonly #TransportSink = class implements Sink {
    readonly #above: LockedSocket;

    constructor(above: LockedSocket) {
      this.#above = above;
    }

    data(chunk: Bytes): boolean {
      return this.#above.#onData(chunk, false);
    }

    own(chunk: Bytes): boolean {
      return this.#above.#onData(chunk, true);
    }

    drain(): void {
      this.#above.#outbox.drain();
    }

    end(): void {
      this.#above.#onEnd();
    }

    close(cause?: K4netError): void {
      this.#above.#onClose(cause);
    }
  };

  /** Resolves when the socket is gone, with how that came about. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  readonly #transport: Transport;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #hub = new AbortHub();
  readonly #gone = new Deferred<CloseInfo>();
  readonly #allowHalfOpen: boolean;
  #state: ReadyState = 'open';
  #bytesReceived = 0;
  #ended: Promise<void> | undefined;
  #owned = false;
  #failure: K4netError | undefined;
  #onEmptyEnd: (() => void) | undefined;

  /**
   * @param stream - a Node duplex stream (TCP, TLS, Unix socket, pipe) or a {@link Transport}. From here on it belongs
   * to the socket.
   * @throws TypeError for an option that does not exist, RangeError for one out of its range.
   */
  constructor(stream: DuplexLike | Transport, options?: LockedSocketOptions) {
    const { recvSize, maxSize, highWaterMark, allowHalfOpen } = checkedOptions(options);
    this.#allowHalfOpen = allowHalfOpen;
    const transport = toTransport(stream);
    this.#transport = transport;
    this.#inbox = new Inbox(maxSize, recvSize, this.#hub, transport);
    this.#outbox = new Outbox(this.#transport, highWaterMark, this.#hub);
    this.closed = this.#gone.promise;
    this.#transport.attach(new LockedSocket.#TransportSink(this));
  }

  /** Where the socket is in its life. */
  get readyState(): ReadyState {
    return this.#state;
  }

  /** Bytes that were sent and are not yet with the operating system, those of waiting senders included. */
  get bufferedAmount(): number {
    return this.#outbox.bufferedAmount;
  }

  /** The peer as `address:port`, or an empty string where the stream has no such thing. */
  get remoteAddress(): string {
    return this.#transport.remoteAddress;
  }

  /** This end as `address:port`, or an empty string where the stream has no such thing. */
  get localAddress(): string {
    return this.#transport.localAddress;
  }

  /** Lets the process live for this socket (the default). */
  ref(): this {
    this.#transport.ref();
    return this;
  }

  /** Lets the process end in spite of this socket. */
  unref(): this {
    this.#transport.unref();
    return this;
  }

  /** What went through this socket so far. */
  stats(): SocketStats {
    return {
      messagesSent: this.#outbox.messages,
      messagesReceived: this.#inbox.taken,
      bytesSent: this.#outbox.bytes,
      bytesReceived: this.#bytesReceived,
    };
  }

  /**
   * Sends one message. Text is sent as UTF-8.
   *
   * When it resolves, the buffer is the caller's again and the queue is below the high-water mark. It does not say
   * that the peer has the message. A caller that does not wait is not told of a failure: `closed` is.
   *
   * Rejects with `K4NET_CLOSED` or the error that ended the socket, with `K4NET_STATE` after `end()`, with a TypeError
   * for anything but bytes or text, or with the reason of the signal.
   */
  send(data: Bytes | string, options?: SendOptions): Promise<void> {
    return this.#owned ? rejected(ownedError()) : this.#send(data, options);
  }

  #send(data: Bytes | string, options?: SendOptions): Promise<void> {
    try {
      const bytes = toBytes(data);
      this.#checkSend(bytes.length);
      if (options === undefined) return this.#outbox.send(bytes);
      const { signal } = ownOptions('send', options, ['signal']);
      checkSignal(signal);
      return this.#outbox.sendWith(bytes, { timeout: undefined, signal });
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Sends one message if no sender has to wait, and says whether it did. Never waits; the buffer is the caller's again
   * at once, and a message over 16 KiB is copied for that.
   *
   * @throws what `send` would reject with.
   */
  trySend(data: Bytes | string): boolean {
    if (this.#owned) throw ownedError();
    const bytes = toBytes(data);
    this.#checkSend(bytes.length);
    return this.#outbox.offer(bytes);
  }

  /**
   * Resolves when everything sent so far is with the operating system.
   *
   * Rejects with `K4NET_TIMEOUT`, the reason of the signal, or the error that ended the socket.
   */
  flush(options?: WaitOptions): Promise<void> {
    try {
      return this.#outbox.flush(checkedWait(ownOptions('flush', options, ['timeout', 'signal'])));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Receives the next message: a view that may share its buffer with others, so `slice()` what is kept for long.
   *
   * A wait that ends early loses nothing: the message, also one that has come in half, goes to a later call.
   *
   * Rejects with `K4NET_CLOSED` when the peer has ended and everything was received, or this side has closed; with
   * `K4NET_TRUNCATED`, `K4NET_TOO_LARGE` or `K4NET_CONNECTION` when that is how it ended; with a
   * {@link TooLargeError} for a message over this call's `maxSize`, which stays; with a {@link TimeoutError}; or with the
   * reason of the signal.
   *
   * @param options - or the longest message in bytes, with the milliseconds to wait as second argument.
   */
  recv(options?: RecvOptions): Promise<Bytes>;
  recv(maxSize?: number, timeout?: number): Promise<Bytes>;
  recv(first?: RecvOptions | number, timeout?: number): Promise<Bytes> {
    try {
      if (first === undefined && timeout === undefined) return this.#inbox.receive(noOptions);
      return this.#recv(typeof first === 'object' ? first : { maxSize: first, timeout });
    } catch (error) {
      return rejected(error);
    }
  }

  #recv(given: RecvOptions): Promise<Bytes> {
    const options = ownOptions('recv', given, ['maxSize', 'timeout', 'signal']);
    return this.#inbox.receive({
      maxSize: integer('maxSize', options.maxSize, Infinity, 0, Infinity),
      ...checkedWait(options),
    });
  }

  /**
   * The next message if it is here, undefined if not. Never waits.
   *
   * @throws K4netError what `recv` would reject with, once the socket has ended and everything was received.
   */
  tryRecv(): Bytes | undefined {
    const message = this.#inbox.take();
    if (message !== undefined) return message;
    if (this.#inbox.over) throw this.#inbox.over;
    this.#transport.start?.();
    return undefined;
  }

  /**
   * Receives the next message as UTF-8 text, with the options and errors of `recv`.
   *
   * A message that is not UTF-8 is consumed and rejects with a {@link MalformedError}, which carries the bytes.
   */
  recvText(options?: RecvOptions): Promise<string> {
    try {
      return markHandled(this.#recv(options ?? {}).then(toText));
    } catch (error) {
      return rejected(error);
    }
  }

  /** The messages as UTF-8 text, for `for await`; see `recvText` for one that is not. */
  texts(): AsyncGenerator<string, void, undefined> {
    const texts = this.#texts();
    const next = texts.next.bind(texts);
    return Object.assign(texts, { next: () => markHandledByClass(next()) });
  }

  async *#texts(): AsyncGenerator<string, void, undefined> {
    for await (const message of this) yield toText(message);
  }

  /**
   * The messages, for `for await`, as many at a time as are here: 1 to 1024. A loop over small messages that waits once
   * for a thousand of them is twice as fast as one that waits for each. Otherwise it is the loop over the socket itself;
   * what one turn of it was given is taken.
   */
  batches(): AsyncIterableIterator<Bytes[], void> {
    return iterateBatches(this.#inbox, () => {
      this.#endLoop();
    });
  }

  /**
   * The messages, for `for await`. The loop ends when the peer has ended or this side has closed, and throws when the
   * socket breaks. `break` leaves the socket open, and no message is taken ahead. A loop that reached the peer's end
   * closes the socket, unless it was made with `allowHalfOpen`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes, void> {
    return iterate(this.#inbox, () => {
      this.#endLoop();
    });
  }

  /**
   * Ends this direction after everything sent so far; reading goes on. Resolves when all is with the operating
   * system. Calling it again changes nothing.
   */
  end(): Promise<void> {
    return this.#owned ? rejected(ownedError()) : this.#end();
  }

  #end(): Promise<void> {
    this.#ended ??= this.#outbox.end();
    return this.#ended;
  }

  /**
   * Closes the socket: sends what was sent before and the closing message, ends this direction, drops what still comes
   * in until the peer ends too, and cuts the connection if that takes too long. Everyone who waits on the socket is
   * told. Calling it again waits for the same close, with its own timeout. Never rejects because of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, or with `K4NET_STATE` for a closing message after `end()`,
   * and then changes nothing.
   */
  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void> {
    try {
      const given = ownOptions('close', options, ['timeout']);
      const timeout = milliseconds('timeout', given.timeout, defaultCloseTimeout);
      const last = closingMessage === undefined ? undefined : toBytes(closingMessage);
      if (last && this.#ended && this.#state === 'open') throw this.#endedError();
      // Cutting at once comes before ending: the peer should see a reset, not an end in good order.
      if (timeout === 0) this.#cut(new TimeoutError(cutMessage, 0));
      this.#startClosing(last);
      return this.#untilClosed(timeout);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Ends the socket because this side has failed, so that the peer cannot take it for an end in good order: sends what
   * was sent before, then an alert (encrypted: the peer gets `K4NET_PEER_ALERT`) or a reset (plain TCP: `K4NET_CONNECTION`).
   * A carrier without resets ends inside a message (`K4NET_TRUNCATED`). A reset can overtake data that the peer has not
   * read yet.
   *
   * Everyone who waits on the socket gets `K4NET_ABORTED`, and `closed` has that code, with `cause` as the cause of its
   * error. Received messages that nobody has taken are dropped. A socket that this side has closed before goes on to
   * close. Resolves when the socket is gone. Never rejects because of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, and then changes nothing.
   *
   * @param cause - what failed, for this side only: the peer does not get it.
   * @param options - `timeout`: milliseconds that the peer has to take what was sent before. Default 5000; 0 drops it.
   */
  abort(cause?: unknown, options?: CloseOptions): Promise<void> {
    try {
      const given = ownOptions('abort', options, ['timeout']);
      const timeout = milliseconds('timeout', given.timeout, defaultCloseTimeout);
      return this.#state === 'open' ? this.#abort(cause, timeout) : this.#untilClosed(timeout);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Closes the socket, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #endLoop(): void {
    if (!this.#allowHalfOpen) void this.close();
  }

  #sendHeaded(head: MessageHead, data: Bytes, copy: boolean): Promise<void> {
    try {
      this.#checkSend(head.length + data.length);
      return copy ? this.#outbox.sendCopy(data, head) : this.#outbox.send(data, head);
    } catch (error) {
      // The owner's own messages are not calls of the program: `closed` tells it why they fail.
      return copy ? rejectHandled(error) : rejected(error);
    }
  }

  #checkSend(length: number): void {
    if (this.#ended && this.#state === 'open') throw this.#endedError();
    if (this.#state === 'closing') throw this.#failure ?? closedError('this side has closed the socket');
    if (length > longestMessage) throw new RangeError(`a message of ${length} bytes has no header`);
  }

  /** @internal */
  [fail](error: K4netError): void {
    this.#fail(error);
  }

  /** @internal */
  [onEmptyEnd](callback: (() => void) | undefined): void {
    this.#onEmptyEnd = callback;
    if (this.#inbox.over) callback?.();
  }

  /** @internal */
  [acquire](onChange: () => void): OwnedSocket {
    this.#inbox.acquire(onChange);
    this.#owned = true;
    const outbox = this.#outbox;
    const received = (): number => this.#transport.received ?? this.#bytesReceived;
    return {
      messages: this.#inbox,
      get received() {
        return received();
      },
      get congested() {
        return outbox.congested;
      },
      room: () => outbox.room(),
      send: (message, options) => this.#send(message, options),
      sendHeaded: (head, message) => this.#sendHeaded(head, message, false),
      sendCopy: (head, message) => this.#sendHeaded(head, message, true),
      fail: (error) => {
        this.#fail(error);
      },
    };
  }

  #onData(chunk: Bytes, alone: boolean): boolean {
    this.#bytesReceived += chunk.length;
    if (this.#state !== 'open') return true;
    try {
      return this.#inbox.push(chunk, alone);
    } catch (error) {
      this.#fail(toK4netError(error, 'K4NET_INTERNAL', 'reading failed'));
      return false;
    }
  }

  #onEnd(): void {
    if (this.#state !== 'open') return;
    if (this.#inbox.midMessage) {
      this.#fail(new K4netError('K4NET_TRUNCATED', 'the peer ended inside a message'));
    } else {
      this.#inbox.end(closedError('the peer has ended'));
      if (this.#inbox.over) this.#onEmptyEnd?.();
    }
  }

  #onClose(cause: K4netError | undefined): void {
    const error = this.#failure ?? cause;
    const told = error ?? closedError('the socket is closed');
    this.#state = 'closed';
    this.#inbox.end(told);
    this.#outbox.fail(told);
    debug?.(`closed ${nameOf(this)}, ${causeOf(told)}; ${describeStats(this.stats())}`);
    this.#gone.resolve(error ? { code: error.code, error } : { code: told.code });
  }

  #fail(error: K4netError): void {
    if (this.#state === 'closed') return;
    this.#failure ??= error;
    this.#state = 'closing';
    this.#inbox.end(error);
    this.#cut(error);
    this.#outbox.fail(error);
  }

  /** A plain cut ends inside a message, so that no peer takes it for an end in good order. */
  #cut(error: K4netError): void {
    if (this.#transport.encrypted !== true) this.#outbox.breakOff();
    this.#transport.abort(error);
  }

  #startClosing(last: Bytes | undefined): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    if (last) void this.#outbox.send(last);
    void this.#end();
    this.#inbox.discard(closedError('this side has closed the socket'));
    this.#transport.resume();
  }

  async #abort(cause: unknown, timeout: number): Promise<void> {
    const error = new K4netError('K4NET_ABORTED', 'this side has aborted the socket', { cause });
    this.#failure = error;
    this.#state = 'closing';
    this.#inbox.discard(error);
    // Two sides that only send would wait for each other.
    this.#transport.resume();
    try {
      await this.#outbox.flush({ timeout });
      if (this.#transport.encrypted !== true) {
        this.#outbox.breakOff();
        await this.#letRead(Math.min(timeout, resetDelay));
      }
    } catch {
      // The peer does not read, or is gone.
    }
    this.#fail(error);
    await this.closed;
  }

  /** A reset overtakes data that the peer has not read yet. */
  async #letRead(delay: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = startTimer(resolve, delay);
      void this.closed.then(() => {
        timer.stop();
        resolve();
      });
    });
    // Timers run before I/O: a peer in this process reads first, however late the timer was.
    await new Promise<void>(nextTurn);
  }

  async #untilClosed(timeout: number): Promise<void> {
    const cut = (reason: unknown): void => {
      this.#cut(toK4netError(reason, 'K4NET_INTERNAL', 'closing failed'));
    };
    await withDeadline(this.closed, { timeout, signal: undefined }, this.#hub, cut, cutMessage);
  }

  #endedError(): K4netError {
    return new K4netError('K4NET_STATE', 'this side has ended: nothing can be sent any more');
  }
}

function describeStats({ messagesSent, bytesSent, messagesReceived, bytesReceived }: SocketStats): string {
  return `messages: ${messagesSent} sent (${bytesSent} bytes), ${messagesReceived} taken (${bytesReceived} bytes)`;
}
