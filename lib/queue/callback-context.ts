import { LazySignal, type GivenAbortSignal } from '../util/wait.js';
import type { QueueSocket } from './queue-socket.js';
import type { CallbackContext } from './callback-registry.js';
import type { Work } from './work.js';

/** The context of messages of one name: its signal is that of the socket. */
export class MessageContext implements CallbackContext {
  readonly socket: QueueSocket;
  readonly name: string;
  readonly #life: LazySignal;

  constructor(socket: QueueSocket, name: string, life: LazySignal) {
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
  readonly socket: QueueSocket;
  readonly name: string;
  readonly id: number;
  /** The call of the callback. */
  work: Work | undefined;
  readonly #life = new LazySignal();
  #dropped = false;

  constructor(socket: QueueSocket, name: string, id: number) {
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
