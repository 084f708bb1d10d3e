import { u32Bytes, type Bytes } from '../../util/bytes.js';
import { Fifo } from '../../util/fifo.js';
import { Deferred, isPromiseLike, markHandled, rejectHandled } from '../../util/wait.js';
import type { StreamOutlet } from '../stream-host.js';
import type { StreamTools } from '../stream-tools.js';
import { ItemQueue } from './item-queue.js';
import { ReceiveWindow } from './windows.js';

/** The stream of a receiver. */
export interface ReceiverSettings {
  /** The type of its credit. */
  readonly creditType: number;
  readonly id: () => number;
  readonly window: number;
  /** Whether the sender knows the window. If not, the first `next` grants it. */
  readonly granted: boolean;
  /** Reads an item. Throws, or its promise rejects, if it does not decode. */
  readonly read: (item: Bytes) => unknown;
  /** An item does not decode. */
  readonly onUndecodable: (error: unknown) => void;
  /** The consumer wants no further item. */
  readonly onStop: () => void;
  /** The consumer waits for an item, or waits no more. */
  readonly onWait: (waits: boolean) => void;
}

type Result = IteratorResult<unknown, void>;

const done: Result = { done: true, value: undefined };

/** Queues arrived items for a consumer, and grants credit as the consumer takes them. */
export class ItemReceiver {
  readonly #outlet: StreamOutlet;
  readonly #tools: StreamTools;
  readonly #settings: ReceiverSettings;
  readonly #window: ReceiveWindow;
  readonly #items = new ItemQueue();
  readonly #waiting = new Fifo<Deferred<Result>>();
  /** Whether no further item is accepted. */
  #over = false;
  /** The reason of the end, for the first `next` after the items. */
  #error: { readonly reason: unknown } | undefined;
  #granting = false;

  constructor(outlet: StreamOutlet, tools: StreamTools, settings: ReceiverSettings) {
    this.#outlet = outlet;
    this.#tools = tools;
    this.#settings = settings;
    this.#window = new ReceiveWindow(settings.window, settings.granted);
  }

  /** Whether the sender has got any credit. */
  get begun(): boolean {
    return this.#window.begun;
  }

  get over(): boolean {
    return this.#over;
  }

  /** An item has arrived. Returns false if there was no credit for it. */
  receive(bytes: Bytes): boolean {
    if (this.#over) return true;
    if (!this.#window.receive(bytes.length)) return false;
    const waiting = this.#waiting.shift();
    if (waiting) {
      if (this.#waiting.length === 0) this.#settings.onWait(false);
      waiting.resolve(this.#take(bytes));
    } else {
      this.#items.push(bytes);
    }
    return true;
  }

  /** The items are complete. */
  end(): void {
    this.#finish(undefined);
  }

  /**
   * The stream has failed.
   *
   * @param drop - whether the items that wait are dropped.
   */
  fail(reason: unknown, drop: boolean): void {
    // Without its last items, a stream that has ended is not complete either.
    if (drop && !this.#items.isEmpty) {
      this.#items.clear();
      this.#error = { reason };
    }
    this.#finish({ reason });
  }

  /** The consumer wants no further item. */
  stop(): void {
    this.#items.clear();
    this.#finish(undefined);
    this.#error = undefined;
  }

  /** The iterator for the consumer. */
  iterator(): AsyncIterableIterator<unknown, void> {
    return {
      next: () => this.#next(),
      return: () => {
        this.stop();
        this.#settings.onStop();
        return Promise.resolve(done);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #next(): Promise<Result> {
    const bytes = this.#items.shift();
    if (bytes) return this.#resolved(this.#take(bytes));
    const error = this.#error;
    this.#error = undefined;
    if (error) return rejectHandled(error.reason);
    if (this.#over) return Promise.resolve(done);
    if (!this.#window.begun) this.#grant();
    const waiting = new Deferred<Result>();
    this.#waiting.push(waiting);
    if (this.#waiting.length === 1) this.#settings.onWait(true);
    return waiting.promise;
  }

  #resolved(result: Result | Promise<Result>): Promise<Result> {
    return result instanceof Promise ? result : Promise.resolve(result);
  }

  #take(bytes: Bytes): Result | Promise<Result> {
    this.#window.take(bytes.length);
    if (this.#window.due && !this.#over) this.#grant();
    try {
      const value = this.#settings.read(bytes);
      return isPromiseLike(value) ? this.#later(value) : { done: false, value };
    } catch (error) {
      return this.#undecodable(error);
    }
  }

  #later(value: PromiseLike<unknown>): Promise<Result> {
    const later = Promise.resolve(value).then(
      (decoded): Result => ({ done: false, value: decoded }),
      (error: unknown) => this.#undecodable(error),
    );
    return markHandled(later);
  }

  #undecodable(error: unknown): Promise<never> {
    this.stop();
    this.#settings.onUndecodable(error);
    return rejectHandled(error);
  }

  /** Grants credit, or waits for room in the send queue: credit must not fill it. */
  #grant(): void {
    if (this.#granting) return;
    if (!this.#outlet.congested) {
      const { creditType, id } = this.#settings;
      void this.#outlet.sendCopy(this.#tools.streamHead(creditType, id()), u32Bytes(this.#window.grant()));
      return;
    }
    this.#granting = true;
    const retry = (): void => {
      this.#granting = false;
      if (this.#window.due && !this.#over) this.#grant();
    };
    this.#outlet.room().then(retry, () => undefined);
  }

  #finish(error: { readonly reason: unknown } | undefined): void {
    if (!this.#over) this.#error = error;
    this.#over = true;
    if (this.#waiting.length === 0) return;
    this.#settings.onWait(false);
    for (let waiting = this.#waiting.shift(); waiting; waiting = this.#waiting.shift()) {
      const reason = this.#error;
      this.#error = undefined;
      if (reason) waiting.rejectHandled(reason.reason);
      else waiting.resolve(done);
    }
  }
}
