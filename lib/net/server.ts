/// <reference lib="esnext.disposable" preserve="true" />
import { closedError, K4netError } from '../errors.js';
import type { Messages } from '../codec/messages.js';
import type { EncryptedSocket } from '../sockets/encrypted-socket.js';
import { checkedTimeout } from '../sockets/locked-socket-options.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { toTransport, type Carrier } from '../transport/to-transport.js';
import {
  checkFunction,
  checkOptions,
  countRule,
  stringRule,
  withOptions,
  type OptionTable,
} from '../util/options.js';
import { AbortHub, withDeadline } from '../util/wait.js';
import type { Address } from './address.js';
import { ErrorReporter } from './error-reporter.js';
import { HandlerRunner, type ConnectionHandler, type ServeOptions } from './handlers.js';
import { incoming } from './incoming.js';
import { Intake } from './intake.js';
import type { Listener, ListenerHandlers } from './listener.js';
import { queueHandler, type ServeQueueOptions } from './queue-handler.js';
import type { ServerParts } from './server-parts.js';

/** Options of {@link Server.close}. */
export interface ServerCloseOptions {
  /**
   * Milliseconds that open connections have to end before they are cut. Default 5000; 0 cuts them
   * now.
   */
  readonly timeout?: number | undefined;
}

/** Options of {@link Server.accept}. */
export interface AcceptOptions {
  /**
   * Address of the client, for `maxHandshakesPerAddress`. Default: the address that the connection
   * itself has. Without an address, that limit does not apply.
   */
  readonly address?: string | undefined;
}

const acceptTable: OptionTable<AcceptOptions, 'address'> = { address: stringRule() };
const serveTable: OptionTable<ServeOptions> = { maxConnections: countRule(Infinity, 1, Infinity) };

/** A server of encrypted sockets always has a fingerprint. */
export type FingerprintOf<S extends LockedSocket> = S extends EncryptedSocket ? string : string | undefined;

/**
 * A server that listens, made by `listen`. Loop over it for its sockets, or give `serve` a handler.
 *
 * An encrypted socket comes out of it after its handshake. A connection that the program has not
 * taken yet is read up to its `recvSize`, so that the server notices its end.
 */
export class Server<S extends LockedSocket = LockedSocket> {
  readonly #listeners: readonly Listener[];
  readonly #parts: ServerParts<S>;
  readonly #reporter: ErrorReporter;
  readonly #intake: Intake<S>;
  readonly #handlers = new HandlerRunner<S>((error, socket) => {
    this.#reporter.report(error, socket);
  });
  #closed: Promise<void> | undefined;

  /** @internal Servers are made by `listen`. */
  constructor(listeners: readonly Listener[], parts: ServerParts<S>) {
    this.#listeners = listeners;
    this.#parts = withOptions(parts);
    this.#reporter = new ErrorReporter(this.#parts.onError);
    this.#intake = new Intake<S>(this.#parts, this.#reporter);
  }

  /**
   * @internal Starts all listeners. If one fails, it closes the others and rejects with the error
   * of the one that failed.
   */
  async open(): Promise<void> {
    const intake = this.#intake;
    const handlers: ListenerHandlers = {
      accept: (connection) => {
        intake.accept(connection);
      },
      report: (error) => {
        this.#reporter.report(error);
      },
    };
    try {
      for (const listener of this.#listeners) await listener.open(handlers);
    } catch (error) {
      await this.close({ timeout: 0 });
      throw error;
    }
  }

  /**
   * Returns the port or path where the server listens, in the form that `connect` takes.
   *
   * @throws K4netError `K4NET_STATE` if it listens on neither: see `urls`.
   */
  address(): Address {
    const found = this.#listeners.find(({ address }) => address !== undefined)?.address;
    if (found) return { ...found };
    throw new K4netError('K4NET_STATE', 'the server listens on no port or path of its own: see server.urls');
  }

  /**
   * Where the server listens, as URLs that `connect` takes: `tcp:` or `unix:`, then `ws:` or
   * `wss:`. Without the URL of a `WebSocketServer`, which only its owner knows.
   */
  get urls(): readonly string[] {
    return this.#listeners.flatMap(({ url }) => url ?? []);
  }

  /**
   * Fingerprint of the server's key, for clients to pin. Of several keys it is the first, which the
   * server shows. Undefined for a server of plain sockets.
   */
  get fingerprint(): FingerprintOf<S> {
    return this.fingerprints[0] as FingerprintOf<S>;
  }

  /**
   * Fingerprints of all keys of the server, in the order of its `key` or `keyPath`. Empty for plain
   * sockets.
   */
  get fingerprints(): readonly string[] {
    return this.#parts.fingerprints ?? [];
  }

  /** Open connections, those included that the program has not taken yet. */
  get connections(): number {
    return this.#intake.open.size;
  }

  /** Keeps the process running while the server listens (the default). */
  ref(): this {
    for (const listener of this.#listeners) listener.ref();
    return this;
  }

  /** Lets the process exit although the server listens. */
  unref(): this {
    for (const listener of this.#listeners) listener.unref();
    return this;
  }

  /** Iterates over the sockets of new connections. Ends when the server closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<S, void> {
    return this.#intake.pending.iterate();
  }

  /**
   * Calls the handler for every connection, and closes the socket when the handler settles. If a
   * handler throws or rejects, `onError` gets the error and the socket is aborted: the client
   * receives the messages that were sent, then an error. Other connections are not affected.
   * Resolves when the server has closed and every handler has settled.
   *
   * Rejects with a TypeError or RangeError for invalid arguments.
   *
   * @example
   * ```ts
   * import { listen } from 'k4net';
   *
   * const server = await listen({ port: 9000, keyPath: './server' });
   * await server.serve(
   *   async (socket) => {
   *     for await (const message of socket) await socket.send(message);
   *   },
   *   { maxConnections: 100 },
   * );
   * ```
   */
  async serve(handler: ConnectionHandler<S>, options?: ServeOptions): Promise<void> {
    checkFunction('the handler', handler);
    const { maxConnections } = checkOptions('serve', options, serveTable);
    await this.#handlers.run(this, handler, maxConnections);
  }

  /**
   * Gives every connection a typed queue with these callbacks, and keeps it until it closes. When
   * the server closes, each queue is drained: calls in flight get their answers.
   *
   * Resolves and rejects like `serve`, also for wrong messages, callbacks or options of the queue.
   *
   * @example
   * ```ts
   * import { codec, listen } from 'k4net';
   *
   * const messages = { add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32) };
   * const server = await listen({ port: 9000, keyPath: './server' });
   * await server.serveQueue({ messages, callbacks: { add: ({ a, b }) => a + b } });
   * ```
   */
  async serveQueue<const M extends Messages>(options: ServeQueueOptions<M, S>): Promise<void> {
    const { handler, options: serveOptions } = queueHandler(options);
    await this.serve(handler, serveOptions);
  }

  /**
   * Stops listening, waits for the open connections to end, and cuts those that do not end in time.
   * Connections that the program has not taken are cut now. Resolves when the last connection is
   * gone. Further calls wait for the same close.
   *
   * Rejects with a TypeError or RangeError for invalid arguments.
   */
  async close(options?: ServerCloseOptions): Promise<void> {
    const timeout = checkedTimeout('close', options);
    this.#closed ??= this.#close(timeout);
    return this.#closed;
  }

  /** Closes the server, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Takes a connection that something else has accepted: a WebSocket of another server, a port of a
   * worker, a stream. The limits, the handshake, `serve` and `close` treat it like one that the
   * server has accepted itself. A server that is closed cuts it.
   *
   * @throws TypeError for a value that cannot carry a socket, or an invalid option.
   *
   * @example
   * ```ts
   * import { listen, memoryPair } from 'k4net';
   *
   * const server = await listen({ webSocket: false, ephemeralKey: true });
   * const [near, far] = memoryPair();
   * server.accept(far, { address: '192.0.2.1' });
   * near.abort();
   * await server.close();
   * ```
   */
  accept(carrier: Carrier, options?: AcceptOptions): void {
    const { address } = checkOptions('accept', options, acceptTable);
    this.#intake.accept(incoming(toTransport(carrier), address));
  }

  async #close(timeout: number): Promise<void> {
    const listeners = this.#listeners.map((listener) => listener.close());
    this.#handlers.abort(closedError('the server closes'));
    const stopped = Promise.all([this.#intake.close(), ...listeners]).then(() => undefined);
    const cutAll = (): void => {
      this.#intake.cut();
    };
    const wait = { timeout, signal: undefined };
    await withDeadline(stopped, wait, new AbortHub(), cutAll, 'open connections did not end');
  }
}
