import type { Bytes } from '../util/bytes.js';
import { TimeoutError, TooLargeError, type K4netError } from '../errors.js';
import {
  withDeadline,
  Deferred,
  markHandled,
  rejectHandled,
  rejected,
  type AbortHub,
  type WaitOptions,
} from '../util/wait.js';

/** Options of a receive: the timeout and the signal of the wait, and the longest message. */
export interface ReceiveOptions extends WaitOptions {
  readonly maxSize?: number | undefined;
}

/** The messages that receives take. */
export interface MessageSource {
  /** Length of the next message; -1 if none has arrived. */
  size(): number;
  /** Length of the message that has arrived in part; -1 if it is unknown. */
  comingSize(): number;
  /** Takes the next message. It has arrived, and its length is `size`. */
  cut(size: number): Bytes;
  /** The reason why no further message can arrive, once every message was taken. */
  readonly over: K4netError | undefined;
  /** Called when a receive begins to wait. */
  wanted(): void;
}

/** A call that waits for one message. */
export interface Receiver {
  /** The longest message that it takes, in bytes. */
  readonly maxSize: number;
  /** The next receiver in the list. */
  next: Receiver | undefined;
  take(message: Bytes): void;
  fail(error: unknown): void;
}

const noMessage = 'no message came';

class PendingReceive extends Deferred<Bytes> implements Receiver {
  declare readonly maxSize: number;
  declare next: Receiver | undefined;

  constructor(maxSize: number) {
    super();
    this.maxSize = maxSize;
    this.next = undefined;
  }

  take(message: Bytes): void {
    this.resolve(message);
  }

  fail(error: unknown): void {
    this.rejectHandled(error);
  }
}

/**
 * The receives that wait for a message, in the order of the calls. A linked list needs no array for
 * the usual case of one receive. While a receive waits, the inbox has no message for it.
 */
export class PendingReceives {
  readonly #source: MessageSource;
  readonly #hub: AbortHub;
  #first: Receiver | undefined;
  #last: Receiver | undefined;

  constructor(source: MessageSource, hub: AbortHub) {
    this.#source = source;
    this.#hub = hub;
  }

  /** Whether no receive waits. */
  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** The next message, or a wait for it. */
  receive({ maxSize = Infinity, timeout = Infinity, signal }: ReceiveOptions): Promise<Bytes> {
    if (signal?.aborted) return rejectHandled(signal.reason);
    if (this.#first === undefined) {
      const size = this.#source.size();
      if (size > maxSize) return rejected(new TooLargeError(size, maxSize));
      if (size >= 0) return Promise.resolve(this.#source.cut(size));
      if (this.#source.over) return rejected(this.#source.over);
      const coming = maxSize < Infinity ? this.#source.comingSize() : -1;
      if (coming > maxSize) return rejected(new TooLargeError(coming, maxSize));
    }
    if (timeout === 0) {
      this.#source.wanted();
      return rejected(new TimeoutError(noMessage, 0));
    }
    const receiver = new PendingReceive(maxSize);
    this.add(receiver);
    const { promise } = receiver;
    if (timeout === Infinity && signal === undefined) return promise;
    const cancel = (reason: unknown): void => {
      if (!this.#remove(receiver)) return;
      receiver.fail(reason);
      // The next receiver may have to reject the message that has arrived in part.
      this.serve();
    };
    return markHandled(withDeadline(promise, { timeout, signal }, this.#hub, cancel, noMessage));
  }

  /** Adds a receiver at the end. */
  add(receiver: Receiver): void {
    this.#source.wanted();
    if (this.#last) this.#last.next = receiver;
    else this.#first = receiver;
    this.#last = receiver;
  }

  /** Gives the messages that have arrived to the receivers. */
  serve(): void {
    for (let receiver = this.#first; receiver; receiver = this.#first) {
      const whole = this.#source.size();
      const size = whole >= 0 ? whole : this.#source.comingSize();
      if (whole < 0 && size <= receiver.maxSize) return;
      // Remove the receiver first: to take a message can make the transport deliver the next one.
      this.#shift(receiver);
      if (size > receiver.maxSize) receiver.fail(new TooLargeError(size, receiver.maxSize));
      else receiver.take(this.#source.cut(whole));
    }
  }

  /** Fails every receiver. */
  reject(error: K4netError): void {
    for (let receiver = this.#first; receiver; receiver = this.#first) {
      this.#shift(receiver);
      receiver.fail(error);
    }
  }

  #shift(first: Receiver): void {
    this.#first = first.next;
    first.next = undefined;
    if (this.#first === undefined) this.#last = undefined;
  }

  #remove(receiver: Receiver): boolean {
    let before: Receiver | undefined;
    for (let each = this.#first; each; before = each, each = each.next) {
      if (each !== receiver) continue;
      if (before) before.next = each.next;
      else this.#first = each.next;
      if (this.#last === each) this.#last = before;
      each.next = undefined;
      return true;
    }
    return false;
  }
}
