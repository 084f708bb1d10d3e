import type { Bytes } from '../util/bytes.js';
import type { Deferred } from '../util/wait.js';
import type { IncomingRequest } from './callback-context.js';
import type { CallbackQueue, Task } from './callback-queue.js';
import type { Registration } from './callback-registry.js';

/** One call of a callback, from the arrival of the message to its end. */
export interface Work extends Task {
  /** What the message named; undefined for a request of a name without a callback. */
  readonly registration: Registration<CallbackQueue<Work>> | undefined;
  readonly request: IncomingRequest | undefined;
  payload: Bytes;
  batch: Batch | undefined;
}

/** What one `recvRegistered` has let go. */
export interface Batch {
  /** Callbacks so far, and those of them that are not done. */
  count: number;
  left: number;
  readonly done: Deferred<void>;
}
