import { K4netError } from '../errors.js';
import { PendingReceives, type MessageSource, type ReceiveOptions } from '../sockets/pending-receives.js';
import { compact, noBytes, type Bytes } from '../util/bytes.js';
import { Fifo } from '../util/fifo.js';
import { iterate } from '../util/iterate.js';
import { markHandledByClass, startTimer, type AbortHub } from '../util/wait.js';
import type { FlowWindow } from './flow-window.js';

/** Milliseconds after which a full queue counts as unread. */
const unreadAfter = 1000;

/** The messages that no callback takes, and the receivers that wait for such a message. */
export class ReceiveQueue implements MessageSource {
  readonly window: FlowWindow;
  readonly #messages = new Fifo<Bytes>();
  readonly #receivers: PendingReceives;
  readonly #onRoom: () => void;
  #onUnread: (() => void) | undefined;
  #watch: { stop(): void } | undefined;
  #over: K4netError | undefined;

  /**
   * @param onRoom - called when a message was taken.
   * @param onUnread - called at most once: the queue was full for a second, and no message was ever
   * taken.
   */
  constructor(window: FlowWindow, hub: AbortHub, onRoom: () => void, onUnread: () => void) {
    this.window = window;
    this.#onRoom = onRoom;
    this.#onUnread = onUnread;
    this.#receivers = new PendingReceives(this, hub);
  }

  push(message: Bytes): void {
    // A message that has to wait must not keep a much larger buffer in memory.
    const kept = this.#receivers.isEmpty ? compact(message) : message;
    this.#messages.push(kept);
    this.window.reserve(kept.length);
    this.#receivers.serve();
    if (this.window.full) this.#watchUnread();
  }

  /**
   * Ends the queue: no further message arrives. Waiting messages can still be taken. Only the first
   * call has an effect.
   */
  end(error: K4netError): void {
    this.#over ??= error;
    this.#watch?.stop();
    this.#onUnread = undefined;
    if (this.size() < 0) this.#receivers.reject(this.#over);
  }

  /** Drops the waiting messages and ends. */
  discard(error: K4netError): void {
    for (let message = this.#messages.shift(); message; message = this.#messages.shift())
      this.window.release(message.length);
    this.#over = undefined;
    this.end(error);
  }

  receive(options: ReceiveOptions): Promise<Bytes> {
    return this.#receivers.receive(options);
  }

  /** The next message if there is one. */
  take(): Bytes | undefined {
    const size = this.size();
    return size < 0 ? undefined : this.cut();
  }

  get over(): K4netError | undefined {
    return this.#messages.length > 0 ? undefined : this.#over;
  }

  size(): number {
    return this.#messages.peek()?.length ?? -1;
  }

  comingSize(): number {
    return -1;
  }

  cut(): Bytes {
    const message = this.#messages.shift() ?? noBytes;
    this.window.release(message.length);
    this.#onUnread = undefined;
    this.#onRoom();
    return message;
  }

  wanted(): void {
    // The router fills the queue whether a receiver waits or not.
  }

  /**
   * Starts the timer for `onUnread`, unless the program has ever taken a message.
   */
  #watchUnread(): void {
    if (this.#watch || !this.#onUnread) return;
    this.#watch = startTimer(() => this.#onUnread?.(), unreadAfter, false);
  }
}

/** The messages of `recv`, for `for await`. The loop ends when the socket has closed in order. */
export function iterateReceived(recv: () => Promise<Bytes>): AsyncIterableIterator<Bytes, void> {
  const next = async (): Promise<IteratorResult<Bytes, void>> => {
    try {
      return { done: false, value: await recv() };
    } catch (error) {
      if (!K4netError.is(error, 'K4NET_CLOSED')) throw error;
      return { done: true, value: undefined };
    }
  };
  return iterate(() => markHandledByClass(next()));
}
