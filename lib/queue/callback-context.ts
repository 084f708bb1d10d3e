import type { Bytes } from '../util/bytes.js';
import { LazySignal, type Deferred, type GivenAbortSignal } from '../util/wait.js';
import type { CallbackQueue, Task } from './callback-queue.js';
import type { Registration } from './callback-registry.js';
import type { CallbackContext, QueueSocketLike } from './types.js';

/** The context of messages of one name: its signal is that of the socket. */
export class MessageContext implements CallbackContext {
  readonly socket: QueueSocketLike;
  readonly name: string;
  readonly #life: LazySignal;

  constructor(socket: QueueSocketLike, name: string, life: LazySignal) {
    this.socket = socket;
    this.name = name;
    this.#life = life;
  }

  get signal(): GivenAbortSignal {
    return this.#life.signal;
  }
}

/** A request of the peer, from its arrival to its answer, and the context of the callback that answers it. */
export class IncomingRequest implements CallbackContext {
  readonly socket: QueueSocketLike;
  readonly name: string;
  readonly id: number;
  /** The call of the callback. */
  work: Work | undefined;
  readonly #life = new LazySignal();
  #dropped = false;

  constructor(socket: QueueSocketLike, name: string, id: number) {
    this.socket = socket;
    this.name = name;
    this.id = id;
  }

  get signal(): GivenAbortSignal {
    return this.#life.signal;
  }

  /** Whether its callback is not called any more, because nobody waits for the answer. */
  get dropped(): boolean {
    return this.#dropped;
  }

  /** @param reasonOf - makes the reason that its signal has then. */
  abort(reasonOf: () => unknown): void {
    this.#life.abort(reasonOf);
  }

  /** @param reasonOf - makes the reason that its signal has then. */
  drop(reasonOf: () => unknown): void {
    this.#dropped = true;
    this.#life.abort(reasonOf);
  }
}

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
