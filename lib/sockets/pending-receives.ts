import type { Bytes } from '../util/bytes.js';
import { TimeoutError, TooLargeError, type K4netError } from '../errors.js';
import { Fifo } from '../util/fifo.js';
import {
  withDeadline,
  Deferred,
  markHandled,
  rejectHandled,
  rejected,
  type AbortHub,
  type WaitOptions,
} from '../util/wait.js';

/** How many milliseconds, whose signal, and the longest message that this caller takes. */
export interface ReceiveOptions extends WaitOptions {
  readonly maxSize?: number | undefined;
}

/** Where messages come from. */
export interface MessageSource {
  /** Length of the next message, -1 if there is none. */
  size(): number;
  /** Length of the message that is still coming in, -1 where that is not known. */
  comingSize(): number;
  /** Takes the next message, which is there and has that length. */
  cut(size: number): Bytes;
  /** Why there will never be one more, once all were taken. */
  readonly over: K4netError | undefined;
  /** Somebody begins to wait. */
  wanted(): void;
}

const noMessage = 'no message came';

interface Waiter {
  readonly deferred: Deferred<Bytes>;
  readonly maxSize: number;
}

/** Those who wait for a message, in the order of their calls. There is never a message and a waiter at the same time. */
export class PendingReceives {
  readonly #source: MessageSource;
  readonly #hub: AbortHub;
  readonly #waiters = new Fifo<Waiter>();

  constructor(source: MessageSource, hub: AbortHub) {
    this.#source = source;
    this.#hub = hub;
  }

  /** How many wait. */
  get length(): number {
    return this.#waiters.length;
  }

  /** The next message, or a wait for it. */
  receive({ maxSize = Infinity, timeout, signal }: ReceiveOptions): Promise<Bytes> {
    if (signal?.aborted) return rejectHandled(signal.reason);
    if (this.#waiters.length === 0) {
      const size = this.#source.size();
      if (size > maxSize) return rejected(new TooLargeError(size, maxSize));
      if (size >= 0) return Promise.resolve(this.#source.cut(size));
      if (this.#source.over) return rejected(this.#source.over);
      const coming = this.#source.comingSize();
      if (coming > maxSize) return rejected(new TooLargeError(coming, maxSize));
    }
    this.#source.wanted();
    if (timeout === 0) return rejected(new TimeoutError(noMessage, 0));
    const waiter: Waiter = { deferred: new Deferred(), maxSize };
    this.#waiters.push(waiter);
    const promise = markHandled(waiter.deferred.promise);
    if (timeout === undefined && signal === undefined) return promise;
    const cancel = (reason: unknown): void => {
      if (!this.#waiters.remove(waiter)) return;
      waiter.deferred.reject(reason);
      // The next in line may be one who does not take the message that is coming in.
      this.serve();
    };
    return markHandled(withDeadline(promise, { timeout, signal }, this.#hub, cancel, noMessage));
  }

  /** Gives out what is there. */
  serve(): void {
    for (let waiter = this.#waiters.peek(); waiter; waiter = this.#waiters.peek()) {
      const whole = this.#source.size();
      const size = whole >= 0 ? whole : this.#source.comingSize();
      if (whole < 0 && size <= waiter.maxSize) return;
      // First out of the line: taking a message may bring the next one here.
      this.#waiters.shift();
      if (size > waiter.maxSize) waiter.deferred.reject(new TooLargeError(size, waiter.maxSize));
      else waiter.deferred.resolve(this.#source.cut(whole));
    }
  }

  /** Tells all who wait that nothing will come. */
  reject(error: K4netError): void {
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift())
      waiter.deferred.reject(error);
  }
}
