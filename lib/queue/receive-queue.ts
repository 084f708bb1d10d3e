import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import { Fifo } from '../util/fifo.js';
import { PendingReceives, type MessageSource, type ReceiveOptions } from '../sockets/pending-receives.js';
import { startTimer, type AbortHub } from '../util/wait.js';
import { compact, type FlowWindow } from './flow-window.js';

/** Milliseconds that a queue is full before it counts as unread. */
const unreadAfter = 1000;

/** The messages that no callback takes, and those who wait for one. */
export class ReceiveQueue implements MessageSource {
  readonly #messages = new Fifo<Bytes>();
  readonly #receivers: PendingReceives;
  readonly #budget: FlowWindow;
  readonly #onRoom: () => void;
  #onUnread: (() => void) | undefined;
  #watch: { stop(): void } | undefined;
  #over: K4netError | undefined;

  /**
   * @param onRoom - called when a message was taken.
   * @param onUnread - called at most once: the queue has been full for a second, and nobody has ever taken a message.
   */
  constructor(budget: FlowWindow, hub: AbortHub, onRoom: () => void, onUnread: () => void) {
    this.#budget = budget;
    this.#onRoom = onRoom;
    this.#onUnread = onUnread;
    this.#receivers = new PendingReceives(this, hub);
  }

  push(message: Bytes): void {
    // One who waits takes the view; what has to stay does not keep its neighbours.
    const kept = !this.#receivers.isEmpty ? message : compact(message);
    this.#messages.push(kept);
    this.#budget.reserve(kept.length);
    this.#receivers.serve();
    if (this.#budget.full) this.#watchUnread();
  }

  /** No more will come, and why. What is here can still be taken. Only the first call counts. */
  end(error: K4netError): void {
    this.#over ??= error;
    this.#watch?.stop();
    this.#onUnread = undefined;
    if (this.size() < 0) this.#receivers.reject(this.#over);
  }

  /** Drops what is here and ends. */
  discard(error: K4netError): void {
    for (let message = this.#messages.shift(); message; message = this.#messages.shift())
      this.#budget.release(message.length);
    this.#over = undefined;
    this.end(error);
  }

  receive(options: ReceiveOptions): Promise<Bytes> {
    return this.#receivers.receive(options);
  }

  /** The next message if it is here. */
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
    const message = this.#messages.shift() ?? new Uint8Array(0);
    this.#budget.release(message.length);
    this.#onUnread = undefined;
    this.#onRoom();
    return message;
  }

  wanted(): void {
    // The queue is filled whether somebody waits or not.
  }

  /** A program that has taken a message reads, however long its work on one message takes. */
  #watchUnread(): void {
    if (this.#watch || !this.#onUnread) return;
    this.#watch = startTimer(() => this.#onUnread?.(), unreadAfter, false);
  }
}
