import { Deferred } from '../util/wait.js';
import { Fifo } from '../util/fifo.js';

/** Results that arrive in any order, for `for await`. */
export class Gathering<T> {
  readonly #items = new Fifo<T>();
  readonly #waiting = new Fifo<Deferred<IteratorResult<T, void>>>();
  readonly #onStop: () => void;
  #over = false;
  #failure: { readonly reason: unknown } | undefined;

  /** @param onStop - called when the loop ends before the results. */
  constructor(onStop: () => void) {
    this.#onStop = onStop;
  }

  /** A result has come. */
  push(value: T): void {
    if (this.#over) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ done: false, value });
    else this.#items.push(value);
  }

  /** No further result comes. */
  end(): void {
    this.#over = true;
    for (let each = this.#waiting.shift(); each; each = this.#waiting.shift()) {
      each.resolve({ done: true, value: undefined });
    }
  }

  /** The loop throws, after the results that have come. */
  fail(reason: unknown): void {
    if (this.#over) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting.rejectHandled(reason);
    else this.#failure = { reason };
    this.end();
  }

  iterator(): AsyncIterableIterator<T, void> {
    return {
      next: () => this.#next(),
      return: () => {
        if (!this.#over) this.#onStop();
        this.#failure = undefined;
        this.#items.clear();
        this.end();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #next(): Promise<IteratorResult<T, void>> {
    if (this.#items.length > 0) {
      return Promise.resolve({ done: false, value: this.#items.shift() as T });
    }
    const failure = this.#failure;
    this.#failure = undefined;
    const next = new Deferred<IteratorResult<T, void>>();
    if (failure) next.rejectHandled(failure.reason);
    else if (this.#over) next.resolve({ done: true, value: undefined });
    else this.#waiting.push(next);
    return next.promise;
  }
}
