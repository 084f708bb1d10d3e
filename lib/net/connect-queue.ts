import type { Messages } from '../codec/messages.js';
import { queueSocketTable, type QueueSocketOptions } from '../queue/queue-socket-options.js';
import type { TypedQueue } from '../queue/types.js';
import type { Peer } from '../sockets/peer.js';
import { ownOptions } from '../util/options.js';
import {
  connect,
  connectTable,
  type ConnectOptions,
  type EncryptedConnectOptions,
  type PlainConnectOptions,
  type UrlLike,
} from './connect.js';
import { givenUrl } from './endpoint.js';
import { TypedQueues, type TypedQueueOptions } from './typed-queues.js';

/**
 * Options of {@link connectQueue} for an encrypted connection: those of `connect` and of
 * `QueueSocket`, and the messages.
 */
export interface EncryptedConnectQueueOptions<M extends Messages>
  extends EncryptedConnectOptions, QueueSocketOptions, TypedQueueOptions<M> {}

/** Options of {@link connectQueue} for a plain connection. */
export interface PlainConnectQueueOptions<M extends Messages>
  extends PlainConnectOptions, QueueSocketOptions, TypedQueueOptions<M, undefined> {}

type ConnectQueueOptions<M extends Messages> = EncryptedConnectQueueOptions<M> | PlainConnectQueueOptions<M>;

const ownNames = ['messages', 'callbacks', ...Object.keys(queueSocketTable)];

/** Connects without encryption. Otherwise like the form for encrypted connections. */
export function connectQueue<const M extends Messages>(
  options: PlainConnectQueueOptions<M>,
): Promise<TypedQueue<M>>;
/**
 * Connects like `connect`, registers the callbacks and starts. Resolves with the typed queue.
 *
 * Rejects like `connect`, with the error of the function `callbacks`, or with a TypeError or
 * RangeError for wrong messages, callbacks or options.
 *
 * @example
 * ```ts
 * import { codec, connectQueue, listen } from 'k4net';
 *
 * const messages = { add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32) };
 * const server = await listen({ port: 0, ephemeralKey: true });
 * void server.serveQueue({ messages, callbacks: { add: ({ a, b }) => a + b } });
 *
 * const api = await connectQueue({ ...server.address(), pin: server.fingerprint, messages });
 * console.log(await api.call('add', { a: 2, b: 3 }));
 * await api.close();
 * await server.close();
 * ```
 */
export function connectQueue<const M extends Messages>(
  options: EncryptedConnectQueueOptions<M>,
): Promise<TypedQueue<M>>;
/** Connects to the server of a URL without encryption. */
export function connectQueue<const M extends Messages>(
  url: string | UrlLike,
  options: PlainConnectQueueOptions<M>,
): Promise<TypedQueue<M>>;
/** Connects to the server of a URL, like `connect`. */
export function connectQueue<const M extends Messages>(
  url: string | UrlLike,
  options: EncryptedConnectQueueOptions<M>,
): Promise<TypedQueue<M>>;
export async function connectQueue<M extends Messages>(
  given: ConnectQueueOptions<M> | UrlLike | string,
  beside?: ConnectQueueOptions<M>,
): Promise<TypedQueue<M>> {
  const url = givenUrl(given);
  const all = url === undefined ? (given as ConnectQueueOptions<M>) : beside;
  const own = ownOptions('connectQueue', all, [...ownNames, ...Object.keys(connectTable)]);
  const queues = new TypedQueues<M, Peer | undefined>(own as TypedQueueOptions<M, Peer | undefined>);
  const rest = Object.fromEntries(Object.entries(own).filter(([name]) => !ownNames.includes(name)));
  const socket = await (url === undefined
    ? connect(rest as ConnectOptions)
    : connect(url, rest as ConnectOptions));
  try {
    return await queues.start(socket);
  } catch (error) {
    void socket.abort(error);
    throw error;
  }
}
