/// <reference lib="esnext.disposable" preserve="true" />
import type { BinaryReader } from '../binary/reader.js';
import { compile, type Messages } from '../codec/messages.js';
import type { AnswerStream, Payload, StreamOptions } from '../queue/call-types.js';
import { payloadBytes } from '../queue/envelope.js';
import { callEncoded, openStream } from '../queue/encoded-queue.js';
import type { CloseOptions } from '../sockets/message-socket.js';
import { checkOptions, ownOptions, pickOptions, withOptions } from '../util/options.js';
import { rejectUnhandled, type WaitOptions } from '../util/wait.js';
import type { NatsConnectionLike } from './nats-connection.js';
import { NatsDialer, natsDialingNames } from './nats-dialer.js';
import type { ServiceInstance } from './ping.js';
import { ServiceCore } from './service-core.js';
import {
  serviceTable,
  sessionQueueTable,
  type InstanceAnswer,
  type InstancesOptions,
  type InstanceSent,
  type NatsServiceLimits,
  type NatsServiceOptions,
  type ServiceCallOptions,
  type SessionQueueOptions,
} from './service-options.js';
import { TypedNatsService } from './typed-nats-service.js';

const dialingNames = natsDialingNames.filter((name) => name !== 'signal');

/**
 * A service with many instances over NATS, as its clients see it: calls that any instance answers,
 * and calls and messages to all of them. The instances are servers of `listenNats` whose
 * connections are queues, such as those of `serveQueue`.
 *
 * Sessions open when they are needed, stay open, and are replaced when they break. The connection
 * to NATS stays open when the service closes.
 *
 * @example
 * ```ts
 * import { codec } from 'k4net';
 * import { listenNats, NatsService, type NatsConnectionLike } from 'k4net/nats';
 *
 * const messages = { add: codec.request(codec.int32, codec.int32), load: codec.request(codec.nothing, codec.float64) };
 *
 * // Each instance, in a process of its own, with the same key.
 * export async function instance(nc: NatsConnectionLike) {
 *   const server = await listenNats(nc, 'orders', { keyPath: './orders' });
 *   let sum = 0;
 *   await server.serveQueue({ messages, callbacks: { add: (n) => (sum += n), load: () => sum } });
 * }
 *
 * export async function client(nc: NatsConnectionLike, pin: string) {
 *   await using service = new NatsService(nc, 'orders', { pin });
 *   const orders = service.typed(messages);
 *   console.log(await orders.call('add', 5, { timeout: 2_000 }));
 *   for await (const { instance, answer, error } of orders.callAll('load')) {
 *     console.log(instance, error ?? answer);
 *   }
 * }
 * ```
 */
export class NatsService {
  readonly #core: ServiceCore;

  /**
   * @param nc - a connection of `@nats-io/transport-node`, `wsconnect` or `nats`.
   * @param name - of the service.
   * @throws TypeError or RangeError for wrong arguments.
   */
  constructor(nc: NatsConnectionLike, name: string, options?: NatsServiceOptions) {
    const own = ownOptions('NatsService', options, [...Object.keys(serviceTable), ...dialingNames]);
    const limits = checkOptions(
      'NatsService',
      pickOptions<NatsServiceLimits>(own, serviceTable),
      serviceTable,
    );
    const rest = Object.entries(own).filter(([key]) => !(key in serviceTable));
    const dialer = new NatsDialer('NatsService', nc, name, withOptions(Object.fromEntries(rest)));
    const queue = pickOptions<SessionQueueOptions>(limits, sessionQueueTable);
    this.#core = new ServiceCore(dialer, limits, queue);
  }

  /**
   * Sends a request to one instance: over the open session with the fewest calls under way. A
   * session opens for it if there is none, or if all have calls and there are less than `sessions`.
   * A call that an instance refuses because it closes is made again with another one.
   *
   * Rejects like `call` of a QueueSocket; with `K4NET_CONNECTION` if its session breaks, unless it
   * is `repeatable`: the callback may have run; with the errors of `connectNats` if no session
   * opens; with `K4NET_BUSY` if `maxWaiting` calls wait for one; with `K4NET_CLOSED` after `close`.
   */
  call(name: string, payload?: Payload, options?: ServiceCallOptions): Promise<BinaryReader> {
    try {
      return this.#core.calls[callEncoded](name, payloadBytes(payload), options) as Promise<BinaryReader>;
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /**
   * Sends a request to one instance, whose answer is a sequence of items. It is like `stream` of a
   * QueueSocket, with the session and the errors of `call`. It is never made again.
   */
  stream(name: string, payload?: Payload, options?: StreamOptions): AnswerStream {
    return this.#core.calls[openStream](name, payloadBytes(payload), options, {}) as AnswerStream;
  }

  /**
   * Sends a request to every instance, and returns the answers as they come. The loop ends when
   * each instance has answered or failed. `break` cancels the calls that have no answer yet.
   *
   * An instance is there if it has a session with this service, or if it has told so within 300 ms
   * at most 2 seconds ago. The `error` of an instance is that of `connectNats` or of its call.
   *
   * Throws a TypeError or a RangeError for wrong arguments. The loop throws `K4NET_CONNECT` if NATS
   * is away or does not permit it, the reason of the signal, or `K4NET_CLOSED` if this side closes
   * before it knows the instances.
   *
   * @param options - `timeout`: milliseconds for each instance. Default: `callTimeout`.
   */
  callAll(
    name: string,
    payload?: Payload,
    options?: WaitOptions,
  ): AsyncIterableIterator<InstanceAnswer, void> {
    const answers = this.#core.broadcasts.call(name, payloadBytes(payload), options);
    return answers as AsyncIterableIterator<InstanceAnswer, void>;
  }

  /**
   * Sends a message to every instance, those that `callAll` finds. Resolves when the session of
   * each has accepted the message or has failed, so an instance that does not read delays it. The
   * result has one entry for each instance. Await it before the next one to keep their order.
   *
   * So a `Group` on each instance reaches the clients of all instances: one calls `sendAll`, and
   * the callback of each sends to its own group.
   *
   * Rejects like the loop of `callAll`.
   *
   * @param options - `timeout`: milliseconds, after which the entry of an instance that has not
   * accepted the message is a `TimeoutError`. Default Infinity.
   */
  sendAll(name: string, payload?: Payload, options?: WaitOptions): Promise<InstanceSent[]> {
    return this.#core.sendAll(name, () => payloadBytes(payload), options);
  }

  /**
   * Asks who is there. Resolves after `timeout`, or at once if nobody is there.
   *
   * Nothing proves the answers: everybody who may publish to this side can give some. At most
   * `maxInstances` are returned. Rejects like the loop of `callAll`.
   */
  instances(options?: InstancesOptions): Promise<ServiceInstance[]> {
    return this.#core.instances(options);
  }

  /**
   * A view of this service with typed messages: see `typed` of a QueueSocket.
   *
   * @param messages - maps names to codecs.
   */
  typed<const M extends Messages>(messages: M): TypedNatsService<M> {
    return new TypedNatsService<M>(this.#core, compile(messages));
  }

  /**
   * Closes all sessions. Calls under way, and those that wait, reject with `K4NET_CLOSED`. Never
   * rejects because of a peer.
   *
   * @param options - `timeout`: milliseconds for the sessions to end, before they are cut. Default
   * 5000; 0 cuts at once.
   */
  close(options?: CloseOptions): Promise<void> {
    return this.#core.close(options);
  }

  /** Closes the service, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
