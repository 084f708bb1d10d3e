/// <reference lib="esnext.disposable" preserve="true" />
import { messageReadable, messageWritable } from '#node-streams';
import { toBytes, type Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import { noOptions } from '../util/options.js';
import { toTransport, type Carrier } from '../transport/to-transport.js';
import { markHandled, rejected, type WaitOptions } from '../util/wait.js';
import { acquire, fail, onEmptyEnd, whenGone, type OwnedSocket } from './acquire.js';
import { Connection } from './connection.js';
import { ownedError } from './inbox.js';
import { checkedOptions, checkedReceive, checkedTimeout, checkedWait } from './locked-socket-options.js';
import type { LockedSocketOptions, RecvOptions, SendOptions } from './locked-socket-options.js';
import type { CloseInfo, CloseOptions, MessageSocket, ReadyState, SocketStats } from './message-socket.js';
import type { Peer } from './peer.js';
import { iterateBatches, iterateMessages, iterateTexts, toText } from './iteration.js';
import type { MessageReadable, MessageWritable } from './stream-types.js';

/**
 * A message socket over a stream of bytes: each `send` of one side is one `recv` of the other.
 *
 * The framing is a length prefix for each message: `docs/protocol.md`, "Plain messages".
 *
 * Many calls of `send` and `recv` may be pending at once. Calls of each kind are served in order.
 *
 * @example
 * ```ts
 * import { LockedSocket, memoryPair } from 'k4net';
 *
 * // Works over any Node duplex stream, such as a TCP socket.
 * const [near, far] = memoryPair().map((end) => new LockedSocket(end));
 * await near.send('hello');
 * console.log(await far.recvText({ timeout: 1000 }));
 * await Promise.all([near.close(), far.close()]);
 * ```
 */
export class LockedSocket implements MessageSocket {
  /** Resolves when the socket is closed, with the reason. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  readonly #connection: Connection;
  readonly #allowHalfOpen: boolean;
  #owned = false;

  /**
   * @param carrier - a Node duplex stream (TCP, TLS, Unix socket, pipe) or a {@link Transport}. The
   * socket owns it from here on.
   * @throws TypeError for an unknown option, RangeError for a value out of range.
   */
  constructor(carrier: Carrier, options?: LockedSocketOptions) {
    const checked = checkedOptions(options);
    this.#allowHalfOpen = checked.allowHalfOpen;
    this.#connection = new Connection(toTransport(carrier), checked);
    this.closed = this.#connection.closed;
  }

  get peer(): Peer | undefined {
    return undefined;
  }

  get readyState(): ReadyState {
    return this.#connection.state;
  }

  get bufferedAmount(): number {
    return this.#connection.outbox.bufferedAmount;
  }

  get remoteAddress(): string {
    return this.#connection.transport.remoteAddress;
  }

  get localAddress(): string {
    return this.#connection.transport.localAddress;
  }

  ref(): this {
    this.#connection.transport.ref();
    return this;
  }

  unref(): this {
    this.#connection.transport.unref();
    return this;
  }

  stats(): SocketStats {
    return this.#connection.stats();
  }

  /**
   * Sends one message. Text is sent as UTF-8.
   *
   * Resolves when the caller may reuse the buffer and the send queue is below the high-water mark
   * (backpressure). The peer may not have received the message yet. If the caller does not await
   * the promise, `closed` still reports a failure.
   *
   * Rejects with `K4NET_CLOSED` or the error that ended the socket, with `K4NET_STATE` after
   * `end()`, with a TypeError if `data` is neither bytes nor text, or with the reason of the
   * signal.
   */
  send(data: Bytes | string, options?: SendOptions): Promise<void> {
    return this.#owned ? rejected(ownedError()) : this.#connection.send(data, options);
  }

  /**
   * Sends one message if the send queue is below the high-water mark, and returns whether it did.
   * Never waits. The caller may reuse the buffer at once; a message over 16 KiB is copied for that.
   *
   * @throws the error that `send` would reject with.
   */
  trySend(data: Bytes | string): boolean {
    if (this.#owned) throw ownedError();
    const bytes = toBytes(data);
    this.#connection.checkSend(bytes.length);
    return this.#connection.outbox.offer(bytes);
  }

  /**
   * Resolves when the operating system has everything that was sent so far. Rejects with
   * `K4NET_TIMEOUT`, the reason of the signal, or the error that ended the socket.
   */
  flush(options?: WaitOptions): Promise<void> {
    try {
      return this.#connection.outbox.flush(checkedWait('flush', options));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Receives the next message: a view that may share its buffer with other messages. Copy it with
   * `slice()` to keep it for long.
   *
   * A wait that ends early loses nothing: a later call gets the message, even one that has arrived
   * in part.
   *
   * Rejects with `K4NET_CLOSED` when the peer has ended and every message was taken, or when this
   * side has closed; with `K4NET_TRUNCATED`, `K4NET_TOO_LARGE` or `K4NET_CONNECTION` when the
   * connection ended that way; with a {@link TooLargeError} for a message over the `maxSize` of
   * this call, which stays in the inbox; with a {@link TimeoutError}; or with the reason of the
   * signal.
   *
   * @param options - options, or the longest accepted message in bytes; then the second argument is
   * the timeout in milliseconds.
   */
  recv(options?: RecvOptions): Promise<Bytes>;
  recv(maxSize?: number, timeout?: number): Promise<Bytes>;
  recv(first?: RecvOptions | number, timeout?: number): Promise<Bytes> {
    try {
      const { messages } = this.#connection;
      if (first === undefined && timeout === undefined) return messages.receive(noOptions);
      const options = typeof first === 'object' ? first : { maxSize: first, timeout };
      return messages.receive(checkedReceive(options));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * The next message if one has arrived, otherwise undefined. Never waits.
   *
   * @throws K4netError the error that `recv` would reject with, once the socket has ended and every
   * message was taken.
   */
  tryRecv(): Bytes | undefined {
    const { messages, transport } = this.#connection;
    const message = messages.take();
    if (message !== undefined) return message;
    if (messages.over) throw messages.over;
    transport.start?.();
    return undefined;
  }

  /**
   * Receives the next message as UTF-8 text, with the options and errors of `recv`. A message that
   * is not UTF-8 is taken and rejects with a {@link MalformedError}, which has the bytes.
   */
  recvText(options?: RecvOptions): Promise<string> {
    try {
      const message = this.#connection.messages.receive(checkedReceive(options ?? noOptions));
      return markHandled(message.then(toText));
    } catch (error) {
      return rejected(error);
    }
  }

  /** The messages as UTF-8 text, for `for await`; `recvText` describes one that is not UTF-8. */
  texts(): AsyncGenerator<string, void, undefined> {
    return iterateTexts(this);
  }

  /**
   * The messages in batches of 1 to 1024, for `for await`: each step of the loop gets every message
   * that has arrived. With small messages this is twice as fast as one step for each message.
   * Otherwise it behaves like the loop over the socket. All messages of a batch count as taken.
   */
  batches(): AsyncIterableIterator<Bytes[], void> {
    return iterateBatches(this.#connection.messages, this.#onLoopEnd());
  }

  /**
   * The messages, for `for await`. The loop ends when the peer has ended or this side has closed,
   * and throws when the connection fails. `break` leaves the socket open, and the loop does not
   * prefetch messages. A loop that reaches the peer's end closes the socket, unless `allowHalfOpen`
   * is set.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes, void> {
    return iterateMessages(this.#connection.messages, this.#onLoopEnd());
  }

  /**
   * A Node stream for `pipeline`, whose chunks are the messages. Its end closes the socket like the
   * end of a loop, unless a `writable()` is open. `destroy` leaves the socket open.
   *
   * @throws K4netError `K4NET_STATE` with a QueueSocket, `K4NET_UNSUPPORTED` in a browser.
   */
  readable(): MessageReadable {
    if (this.#owned) throw ownedError();
    return messageReadable(this, this.#onLoopEnd());
  }

  /**
   * A Node stream for `pipeline` that sends each chunk as one message. Its end calls `end()` of the
   * socket. `destroy` leaves the socket open: see `abort`. Throws like `readable()`.
   */
  writable(): MessageWritable {
    if (this.#owned) throw ownedError();
    return messageWritable(this);
  }

  /**
   * Ends this direction after everything sent so far (half-close). This side can still receive.
   * Resolves when the operating system has everything. Further calls change nothing.
   */
  end(): Promise<void> {
    return this.#owned ? rejected(ownedError()) : this.#connection.endSending();
  }

  /**
   * Closes the socket: sends the earlier messages and the closing message, ends this direction, and
   * drops arriving messages until the peer ends too. After the timeout (default 5000 ms) it cuts
   * the connection. Every waiting call settles. A further call waits for the same close, with its
   * own timeout. Never rejects because of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, or with `K4NET_STATE` for a closing
   * message after `end()`, and then changes nothing.
   */
  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void> {
    try {
      const timeout = checkedTimeout('close', options);
      const last = closingMessage === undefined ? undefined : toBytes(closingMessage);
      return this.#connection.closeInOrder(last, timeout);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Ends the socket because this side has failed, so that the peer cannot mistake it for a clean
   * end. Sends the earlier messages, then an alert (encrypted: the peer gets `K4NET_PEER_ALERT`) or
   * a reset (plain TCP: `K4NET_CONNECTION`). A transport without resets ends inside a message
   * (`K4NET_TRUNCATED`). A reset can overtake data that the peer has not read yet.
   *
   * Every waiting call rejects with `K4NET_ABORTED`. `closed` has that code, and `cause` as the
   * cause of its error. Received messages that were not taken are dropped. A socket that this side
   * has closed before continues to close. Resolves when the socket is closed. Never rejects because
   * of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, and then changes nothing.
   *
   * @param cause - the failure, for this side only: the peer does not get it.
   * @param options - `timeout`: milliseconds that the peer has to take the earlier messages.
   * Default 5000; 0 drops them.
   */
  abort(cause?: unknown, options?: CloseOptions): Promise<void> {
    try {
      return this.#connection.abort(cause, checkedTimeout('abort', options));
    } catch (error) {
      return rejected(error);
    }
  }

  /** Closes the socket, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onLoopEnd(): () => void {
    return () => {
      if (!this.#allowHalfOpen) void this.close();
    };
  }

  /** @internal */
  [fail](error: K4netError): void {
    this.#connection.fail(error);
  }

  /** @internal */
  [onEmptyEnd](callback: (() => void) | undefined): void {
    this.#connection.onEmptyEnd(callback);
  }

  /** @internal */
  get [whenGone](): Promise<unknown> {
    return this.closed;
  }

  /** @internal */
  [acquire](onChange: () => void): OwnedSocket {
    this.#connection.messages.acquire(onChange);
    this.#owned = true;
    return this.#connection;
  }
}
