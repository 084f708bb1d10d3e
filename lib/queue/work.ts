import type { Bytes } from '../bytes.js';
import type { Deferred } from '../waiting.js';
import type { IncomingRequest } from './contexts.js';
import type { Lane, Task } from './lane.js';
import type { Registration } from './registry.js';

/** One call of a callback, from the arrival of the message to its end. */
export interface Work extends Task {
  /** What the message named; undefined for a request of a name without a callback. */
  readonly registration: Registration<Lane<Work>> | undefined;
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
