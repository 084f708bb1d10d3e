import type { Bytes } from '../bytes.js';
import type { Deferred } from '../waiting.js';
import type { Budget } from './budget.js';
import type { IncomingRequest } from './contexts.js';
import type { Lane, Task } from './lane.js';
import type { Registration } from './registry.js';

/** One call of a callback, from the arrival of the message to its end. */
export interface Work extends Task {
  readonly name: string;
  readonly registration: Registration<Lane<Work>> | undefined;
  readonly budget: Budget;
  readonly request: IncomingRequest | undefined;
  payload: Bytes;
  batch: Batch | undefined;
}

/** What one `recvRegistered` has let go. */
export interface Batch {
  left: number;
  readonly done: Deferred<void>;
}
