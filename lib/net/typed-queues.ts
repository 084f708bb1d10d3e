import { compile, type CompiledMessages, type Messages } from '../codec/messages.js';
import {
  checkedQueueOptions,
  queueSocketTable,
  type QueueSocketOptions,
} from '../queue/queue-socket-options.js';
import { QueueSocket } from '../queue/queue-socket.js';
import { callbackEntries } from '../queue/typed-callbacks.js';
import { TypedQueueOf } from '../queue/typed-queue.js';
import type { CallbacksOf } from '../queue/typed-types.js';
import type { QueueSocketLike, TypedQueue } from '../queue/types.js';
import type { MessageSocket } from '../sockets/message-socket.js';
import type { Peer } from '../sockets/peer.js';
import { pickOptions } from '../util/options.js';

/** Callbacks by name, for some of the names of `M`. */
export type Callbacks<M extends Messages> = CallbacksOf<M, QueueSocketLike>;

type CallbackSource<M extends Messages, P> =
  Callbacks<M> | ((peer: P, api: TypedQueue<M>) => Callbacks<M> | PromiseLike<Callbacks<M>>);

/** The messages of a typed queue, and the callbacks of this side. */
export interface TypedQueueOptions<M extends Messages, P extends Peer | undefined = Peer> {
  /** Maps names to codecs, as for `typed` of a QueueSocket. Both sides need the same. */
  readonly messages: M;
  /**
   * The callbacks of this side by name, or a function that returns them or a promise of them. The
   * function gets the peer, so that the callbacks can depend on its key, and the typed queue.
   * Default: none. (TypeScript infers `M` from `messages` only, so that a callback may return the
   * tag of a union.)
   */
  readonly callbacks?: NoInfer<CallbackSource<M, P>> | undefined;
}

/** Makes typed queues with the same messages, callbacks and options. */
export class TypedQueues<M extends Messages, P extends Peer | undefined> {
  readonly #routes: CompiledMessages;
  readonly #options: QueueSocketOptions;
  readonly #callbacks: CallbackSource<M, P> | undefined;

  /**
   * @param options - may contain other options too.
   * @throws TypeError or RangeError for wrong messages, callbacks, or options of the queue.
   */
  constructor(options: TypedQueueOptions<M, P> & QueueSocketOptions) {
    const { messages, callbacks } = options;
    this.#routes = compile(messages);
    this.#callbacks = callbacks;
    if (callbacks !== undefined && typeof callbacks !== 'function') callbackEntries(this.#routes, callbacks);
    this.#options = pickOptions<QueueSocketOptions>(options, queueSocketTable);
    checkedQueueOptions(this.#options);
  }

  /** Makes the queue of a socket, registers the callbacks and starts to receive. */
  async start(socket: MessageSocket): Promise<TypedQueue<M>> {
    const queue = new TypedQueueOf<M, QueueSocketLike>(new QueueSocket(socket, this.#options), this.#routes);
    const given = this.#callbacks;
    const callbacks = typeof given === 'function' ? await given(socket.peer as P, queue) : given;
    if (callbacks !== undefined) queue.registerCallbacks(callbacks);
    queue.start();
    return queue;
  }
}
