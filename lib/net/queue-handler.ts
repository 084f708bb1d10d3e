import type { Messages } from '../codec/messages.js';
import { K4netError } from '../errors.js';
import { queueSocketTable, type QueueSocketOptions } from '../queue/queue-socket-options.js';
import type { QueueLife } from '../queue/queue-life.js';
import type { TypedQueue } from '../queue/types.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { checkFunction, ownOptions } from '../util/options.js';
import type { ConnectionHandler, HandlerContext, ServeOptions } from './handlers.js';
import { TypedQueues, type TypedQueueOptions } from './typed-queues.js';

/** Options of {@link Server.serveQueue}: the messages, and those of `serve` and `QueueSocket`. */
export interface ServeQueueOptions<M extends Messages, S extends LockedSocket = LockedSocket>
  extends ServeOptions, QueueSocketOptions, TypedQueueOptions<M, S['peer']> {
  /**
   * Called for every connection after its callbacks are registered, with the typed queue. May be
   * async. If it throws or rejects, the connection is aborted and `onError` of `listen` gets the
   * error, unless it is the error that broke the connection. The connection stays open after it has
   * returned. The `signal` is that of `serve`.
   */
  readonly onConnect?: ((api: TypedQueue<M>, context: HandlerContext) => unknown) | undefined;
}

const queueNames = ['messages', 'callbacks', 'onConnect', 'maxConnections', ...Object.keys(queueSocketTable)];

/**
 * The handler for `serve` that gives each connection a typed queue, and the options of `serve`.
 *
 * @throws TypeError or RangeError for wrong options.
 */
export function queueHandler<M extends Messages, S extends LockedSocket>(
  given: ServeQueueOptions<M, S>,
): { readonly handler: ConnectionHandler<S>; readonly options: ServeOptions } {
  const options = ownOptions('serveQueue', given, queueNames);
  const { onConnect, maxConnections } = options;
  if (onConnect !== undefined) checkFunction('onConnect', onConnect);
  const queues = new TypedQueues<M, S['peer']>(options);
  const handler: ConnectionHandler<S> = async (socket, context) => {
    const { signal } = context;
    const queue = await queues.start(socket);
    // The server cuts the connection when its own timeout for closing has passed.
    const drain = (): void => void queue.drain({ timeout: Infinity });
    if (signal.aborted) drain();
    else signal.addEventListener('abort', drain, { once: true });
    await Promise.all([connected(queue, () => onConnect?.(queue, context)), queue.closed]);
  };
  return { handler, options: { maxConnections } };
}

/** Calls `onConnect`. An error of the connection is no failure of `onConnect`: `closed` has it. */
async function connected(queue: QueueLife, onConnect: () => unknown): Promise<void> {
  try {
    await onConnect();
  } catch (error) {
    if (queue.readyState === 'open') throw error;
    const { code, error: reason } = await queue.closed;
    if (error !== reason && !K4netError.is(error, code)) throw error;
  }
}
