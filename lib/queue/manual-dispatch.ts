import { Fifo } from '../util/fifo.js';
import { Deferred } from '../util/wait.js';
import type { Batch, IncomingCall } from './incoming-call.js';

/** The calls that wait for `recvRegistered`, with `dispatch: 'manual'`. */
export class ManualDispatch {
  readonly #held = new Fifo<IncomingCall>();
  readonly #batches = new Set<Batch>();
  readonly #start: (calls: readonly IncomingCall[]) => void;
  #released = new Deferred<void>();

  /** @param start - queues released calls and starts them. */
  constructor(start: (calls: readonly IncomingCall[]) => void) {
    this.#start = start;
  }

  /** Calls that wait for `release`. */
  get held(): number {
    return this.#held.length;
  }

  hold(call: IncomingCall): void {
    this.#held.push(call);
  }

  /** Starts all held calls, and resolves with the number of those that have ended. */
  async release(): Promise<number> {
    if (this.#held.length === 0) return 0;
    const batch: Batch = { count: 0, left: 0, done: new Deferred() };
    this.#batches.add(batch);
    this.#release(batch);
    await batch.done.promise;
    this.#batches.delete(batch);
    return batch.count - batch.left;
  }

  /** Adds the held calls to a release in progress, if there is one. */
  releaseMore(): void {
    if (this.#held.length === 0) return;
    for (const batch of this.#batches) {
      if (batch.left === 0) continue;
      this.#release(batch);
      return;
    }
  }

  /** Resolves at the next release. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** No release waits for this call any more: a stream can last as long as its connection. */
  leave(call: IncomingCall): void {
    if (call.batch) this.finish(call.batch);
    call.batch = undefined;
  }

  /** A call has ended. */
  finish(batch: Batch): void {
    batch.left -= 1;
    if (batch.left === 0) batch.done.resolve();
  }

  /** Drops the held calls. */
  stop(): void {
    this.#held.clear();
    for (const batch of this.#batches) batch.done.resolve();
    this.#released.resolve();
  }

  #release(batch: Batch): void {
    const calls: IncomingCall[] = [];
    for (let call = this.#held.shift(); call; call = this.#held.shift()) {
      call.batch = batch;
      calls.push(call);
    }
    batch.count += calls.length;
    batch.left += calls.length;
    this.#start(calls);
    this.#released.resolve();
    this.#released = new Deferred();
  }
}
