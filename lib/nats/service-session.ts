import { K4netError, RemoteError } from '../errors.js';
import { QueueSocket } from '../queue/queue-socket.js';
import type { QueueSocketOptions } from '../queue/queue-socket-options.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import type { CloseInfo } from '../sockets/message-socket.js';
import type { NatsTransport } from './nats-transport.js';
import { hubOf } from './subjects.js';

/** Why a call got no answer from a session. */
export type Failure = 'refused' | 'broken' | undefined;

/** One session of a service, and the calls over it. */
export class ServiceSession {
  readonly queue: QueueSocket;
  /** Calls under way. */
  calls = 0;
  readonly #transport: NatsTransport | undefined;
  #retired = false;

  /** @param transport - undefined for a direct connection. */
  constructor(
    socket: LockedSocket,
    transport: NatsTransport | undefined,
    options: QueueSocketOptions,
    onEnd: (session: ServiceSession, info: CloseInfo) => void,
  ) {
    this.queue = new QueueSocket(socket, options);
    this.#transport = transport;
    this.queue.start();
    this.#drop().catch(() => undefined);
    void this.queue.closed.then((info) => {
      onEnd(this, info);
    });
  }

  /** Whether new calls may use it. */
  get isUsable(): boolean {
    return !this.#retired && this.queue.readyState === 'open' && this.#transport?.isDoubted !== true;
  }

  /** The process of the peer; undefined for a direct connection. */
  get peerProcess(): string | undefined {
    return this.#transport && hubOf(this.#transport.target);
  }

  /** Whether this side wants no new calls over it. */
  get isRetired(): boolean {
    return this.#retired;
  }

  /** No new calls use it. It closes when the last one has ended. */
  retire(): void {
    this.#retired = true;
    if (this.calls === 0) void this.queue.close();
  }

  /** Counts a call until it has ended. */
  track<T>(call: () => Promise<T>): Promise<T> {
    this.calls += 1;
    const ended = (): void => {
      this.calls -= 1;
      if (this.#retired && this.calls === 0) void this.queue.close();
    };
    const called = call();
    called.then(ended, ended);
    return called;
  }

  /**
   * Whether the error of a call is the end of this session. `refused`: the instance is closing and
   * has not run the callback.
   */
  failureOf(error: unknown): Failure {
    if (!K4netError.is(error)) return undefined;
    if (error instanceof RemoteError) {
      const closing = error.remoteCode === 'K4NET_CLOSED' && error.remoteMessage === 'this side is closing';
      return closing ? 'refused' : undefined;
    }
    if (error.code === 'K4NET_CLOSED') return 'broken';
    return this.queue.readyState === 'open' || error.code === 'K4NET_DECODE' ? undefined : 'broken';
  }

  /** Drops messages without a name: unread ones would stop the answers behind them. */
  async #drop(): Promise<void> {
    const messages = this.queue[Symbol.asyncIterator]();
    while ((await messages.next()).done !== true);
  }
}
