import { toBytes, type Bytes } from '../util/bytes.js';
import { causeOf, debug, nameOf } from '../util/debug.js';
import { closedError, K4netError, TimeoutError, toK4netError } from '../errors.js';
import { checkMessageLength, type MessageHead } from '../transport/framing/encoder.js';
import { nextTurn } from '../platform/runtime.js';
import type { Sink, Transport } from '../transport/transport.js';
import { AbortHub, withDeadline, Deferred, rejectHandled, rejected, startTimer } from '../util/wait.js';
import type { OwnedSocket } from './acquire.js';
import { Inbox } from './inbox.js';
import { checkedSend, type CheckedOptions, type SendOptions } from './locked-socket-options.js';
import type { CloseInfo, ReadyState, SocketStats } from './message-socket.js';
import { Outbox } from './outbox.js';

const cutMessage = 'this side cut the connection: the peer did not end';
/**
 * Milliseconds before a reset, in which the peer can read sent data. The reset could overtake that
 * data.
 */
const resetDelay = 100;

/**
 * The connection of one message socket: inbox and outbox over a transport, and the states from open
 * to closed. It is the sink of the transport. The owner of an acquired socket sends through it.
 */
export class Connection implements Sink, OwnedSocket {
  readonly messages: Inbox;
  readonly outbox: Outbox;
  readonly transport: Transport;
  readonly #hub = new AbortHub();
  readonly #closed = new Deferred<CloseInfo>();
  #state: ReadyState = 'open';
  #bytesReceived = 0;
  /** Set by the first call of `endSending`. */
  #ended: Promise<void> | undefined;
  #failure: K4netError | undefined;
  #onEmptyEnd: (() => void) | undefined;

  constructor(transport: Transport, { maxSize, recvSize, highWaterMark }: CheckedOptions) {
    this.transport = transport;
    this.messages = new Inbox(maxSize, recvSize, this.#hub, transport);
    this.outbox = new Outbox(transport, highWaterMark, this.#hub);
    transport.attach(this);
  }

  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  get state(): ReadyState {
    return this.#state;
  }

  get received(): number {
    return this.transport.received ?? this.#bytesReceived;
  }

  get congested(): boolean {
    return this.outbox.congested;
  }

  stats(): SocketStats {
    return {
      messagesSent: this.outbox.messages,
      messagesReceived: this.messages.taken,
      bytesSent: this.outbox.bytes,
      bytesReceived: this.#bytesReceived,
    };
  }

  // Sending

  send(data: Bytes | string, options?: SendOptions): Promise<void> {
    try {
      const bytes = toBytes(data);
      this.checkSend(bytes.length);
      if (options === undefined) return this.outbox.send(bytes);
      return this.outbox.sendWith(bytes, { timeout: undefined, signal: checkedSend(options).signal });
    } catch (error) {
      return rejected(error);
    }
  }

  sendHeaded(head: MessageHead, data: Bytes): Promise<void> {
    try {
      this.checkSend(head.length + data.length);
      return this.outbox.send(data, head);
    } catch (error) {
      return rejected(error);
    }
  }

  sendCopy(head: MessageHead, data: Bytes): Promise<void> {
    try {
      this.checkSend(head.length + data.length);
      return this.outbox.sendCopy(data, head);
    } catch (error) {
      // The program did not call this: `closed` reports the failure.
      return rejectHandled(error);
    }
  }

  offer(head: MessageHead, data: Bytes): boolean {
    if (this.#state !== 'open') return false;
    this.checkSend(head.length + data.length);
    return this.outbox.offer(data, head);
  }

  room(): Promise<void> {
    return this.outbox.room();
  }

  /** @throws K4netError or RangeError if a message of that length cannot be sent now. */
  checkSend(length: number): void {
    if (this.#ended && this.#state === 'open') throw endedError();
    if (this.#state === 'closing') throw this.#failure ?? closedError('this side has closed the socket');
    checkMessageLength(length);
  }

  /** Ends this direction after everything sent so far (half-close). */
  endSending(): Promise<void> {
    this.#ended ??= this.outbox.end();
    return this.#ended;
  }

  // Events of the transport

  /** @param exclusive - nothing else uses the buffer of the chunk. */
  data(chunk: Bytes, exclusive: boolean = false): boolean {
    this.#bytesReceived += chunk.length;
    // A closing socket reads and drops data: unread data would turn the close into a reset.
    if (this.#state !== 'open') return true;
    try {
      return this.messages.push(chunk, exclusive);
    } catch (error) {
      this.fail(toK4netError(error, 'K4NET_INTERNAL', 'reading failed'));
      return false;
    }
  }

  own(chunk: Bytes): boolean {
    return this.data(chunk, true);
  }

  drain(): void {
    this.outbox.drain();
  }

  /** The peer has ended its direction. */
  end(): void {
    if (this.#state !== 'open') return;
    if (this.messages.midMessage) {
      this.fail(new K4netError('K4NET_TRUNCATED', 'the connection ended inside a message'));
    } else {
      this.messages.end(closedError('the peer has ended'));
      if (this.messages.over) this.#onEmptyEnd?.();
    }
  }

  /** The transport has closed. */
  close(cause?: K4netError): void {
    const error = this.#failure ?? cause;
    const reason = error ?? closedError('the socket is closed');
    this.#state = 'closed';
    this.messages.end(reason);
    this.outbox.fail(reason);
    debug?.(`closed ${nameOf(this.transport)}, ${causeOf(reason)}; ${describeStats(this.stats())}`);
    this.#closed.resolve(error ? { code: error.code, error } : { code: reason.code });
  }

  onEmptyEnd(callback: (() => void) | undefined): void {
    this.#onEmptyEnd = callback;
    if (this.messages.over) callback?.();
  }

  // Closing

  /** Fails the connection: every waiting call rejects, after the messages that have arrived. */
  fail(error: K4netError): void {
    if (this.#state === 'closed') return;
    this.#failure ??= error;
    this.#state = 'closing';
    this.messages.end(error);
    this.cut(error);
    this.outbox.fail(error);
  }

  /** Cuts a plain connection inside a frame, so that no peer mistakes the cut for a clean end. */
  cut(error: K4netError): void {
    if (this.transport.encrypted !== true) this.outbox.breakOff();
    this.transport.abort(error);
  }

  /**
   * Closes cleanly: drops the inbox, sends the closing message, then ends this direction. Cuts the
   * connection if the peer has not ended within the timeout.
   *
   * @throws K4netError `K4NET_STATE` for a closing message after `endSending`.
   */
  closeInOrder(last: Bytes | undefined, timeout: number): Promise<void> {
    if (last && this.#ended && this.#state === 'open') throw endedError();
    // Cut before the end: the peer must see a reset, not a clean end.
    if (timeout === 0) this.cut(new TimeoutError(cutMessage, 0));
    if (this.#state === 'open') {
      this.#state = 'closing';
      if (last) void this.outbox.send(last);
      void this.endSending();
      this.messages.discard(closedError('this side has closed the socket'));
      this.transport.resume();
    }
    return this.#untilClosed(timeout);
  }

  /** Aborts an open connection. Only waits for the close of any other connection. */
  abort(cause: unknown, timeout: number): Promise<void> {
    return this.#state === 'open' ? this.#abort(cause, timeout) : this.#untilClosed(timeout);
  }

  async #abort(cause: unknown, timeout: number): Promise<void> {
    const error = new K4netError('K4NET_ABORTED', 'this side has aborted the socket', { cause });
    this.#failure = error;
    this.#state = 'closing';
    this.messages.discard(error);
    // Read and drop data. Otherwise two sides that only write would deadlock, each with a full
    // queue.
    this.transport.resume();
    try {
      await this.outbox.flush({ timeout });
      if (this.transport.encrypted !== true) {
        this.outbox.breakOff();
        await this.#delayReset(Math.min(timeout, resetDelay));
      }
    } catch {
      // The peer does not read, or the connection has failed.
    }
    this.fail(error);
    await this.closed;
  }

  /** Gives the peer time to read: a reset can overtake data that the peer has not read yet. */
  async #delayReset(delay: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = startTimer(resolve, delay);
      void this.closed.then(() => {
        timer.stop();
        resolve();
      });
    });
    // Timers run before I/O. A peer in the same process must read first, even after a late timer.
    await new Promise<void>(nextTurn);
  }

  async #untilClosed(timeout: number): Promise<void> {
    const cut = (reason: unknown): void => {
      this.cut(toK4netError(reason, 'K4NET_INTERNAL', 'closing failed'));
    };
    await withDeadline(this.closed, { timeout, signal: undefined }, this.#hub, cut, cutMessage);
  }
}

function endedError(): K4netError {
  return new K4netError('K4NET_STATE', 'this side has ended (end or close): nothing more can be sent');
}

function describeStats({ messagesSent, bytesSent, messagesReceived, bytesReceived }: SocketStats): string {
  return `messages: ${messagesSent} sent (${bytesSent} bytes), ${messagesReceived} taken (${bytesReceived} bytes)`;
}
