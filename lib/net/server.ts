/// <reference lib="esnext.disposable" preserve="true" />
import { closedError, K4netError } from '../errors.js';
import { emitWarning } from '../platform/runtime.js';
import type { EncryptedSocket } from '../sockets/encrypted-socket.js';
import { fail } from '../sockets/acquire.js';
import { checkedTimeout } from '../sockets/locked-socket-options.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { debug, nameOf } from '../util/debug.js';
import { checkFunction, checkOptions, countRule, withOptions, type OptionTable } from '../util/options.js';
import { AbortHub, withDeadline } from '../util/wait.js';
import { WarnOnce } from '../util/warn-once.js';
import { AcceptQueue } from './accept-queue.js';
import type { Address } from './address.js';
import { HandlerRunner, type ConnectionHandler, type ServeOptions } from './handlers.js';
import type { HandshakeSlot } from './handshake-limits.js';
import { cut, reset, type ConnectionLike, type ListenerLike, type ServerParts } from './server-parts.js';

/** Options of {@link Server.close}. */
export interface ServerCloseOptions {
  /**
   * Milliseconds that open connections have to end before they are cut. Default 5000; 0 cuts them
   * now.
   */
  readonly timeout?: number | undefined;
}

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
  readonly #listener: ListenerLike;
  readonly #parts: ServerParts<S>;
  readonly #asked: Address;
  readonly #pending = new AcceptQueue<S>();
  readonly #open = new Set<S>();
  readonly #handlers = new HandlerRunner<S>((error, socket) => {
    this.#report(error, socket);
  });
  readonly #warnings = new WarnOnce();
  #address: Address | undefined;
  #closed: Promise<void> | undefined;

  /** @internal Servers are made by `listen`. */
  constructor(listener: ListenerLike, asked: Address, parts: ServerParts<S>) {
    this.#listener = listener;
    this.#asked = asked;
    this.#parts = withOptions(parts);
    listener.on('connection', (stream: ConnectionLike) => {
      this.#accept(stream);
    });
    listener.on('listening', () => {
      const bound = listener.address();
      if (bound && typeof bound === 'object') this.#address = { host: bound.address, port: bound.port };
      listener.on('error', (error) => {
        this.#report(error);
      });
    });
  }

  /** Returns where the server listens, in the form that `connect` takes. */
  address(): Address {
    return { ...(this.#address ?? this.#asked) };
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
    return this.#open.size;
  }

  /** Keeps the process running while the server listens (the default). */
  ref(): this {
    this.#listener.ref();
    return this;
  }

  /** Lets the process exit although the server listens. */
  unref(): this {
    this.#listener.unref();
    return this;
  }

  /** Iterates over the sockets of new connections. Ends when the server closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<S, void> {
    return this.#pending.iterate();
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

  #accept(stream: ConnectionLike): void {
    // Until the socket has an owner, nothing else handles its errors. The owner gets them too.
    stream.on('error', () => undefined);
    const { handshakes, maxPending } = this.#parts;
    if (handshakes) {
      this.#acceptHandshake(stream, handshakes);
    } else if (this.#pending.length < maxPending) {
      const socket = this.#wrap(stream);
      if (socket) this.#pending.push(socket);
    } else {
      this.#reportRefused(stream, 'maxPending connections wait');
      reset(stream);
    }
  }

  #acceptHandshake(stream: ConnectionLike, { limits, run }: NonNullable<ServerParts<S>['handshakes']>): void {
    const full = this.#pending.length + limits.pending >= this.#parts.maxPending;
    const slot = limits.acquire(stream.remoteAddress ?? '', full);
    if (!slot) {
      this.#reportRefused(
        stream,
        full ? 'maxPending connections wait' : 'maxHandshakes or maxHandshakesPerAddress is reached',
      );
      limits.refuse(stream);
      return;
    }
    const socket = this.#wrap(stream, slot);
    if (!socket) return;
    slot.onDrop = () => {
      limits.dismiss(stream, () => {
        socket[fail](refused('it had sent no first message, and all maxHandshakes slots were taken'));
      });
    };
    void run(socket).then(
      () => {
        slot.release();
        if (this.#closed) cut(socket);
        else this.#pending.push(socket);
      },
      (error: unknown) => {
        // The connection keeps its slot until it is gone, because the peer may take long to read
        // the alert.
        const release = (): void => {
          slot.release();
        };
        if (stream.destroyed) release();
        else stream.on('close', release);
        this.#report(error, socket);
      },
    );
  }

  /** Makes the socket of a connection. If that fails, only this connection ends. */
  #wrap(stream: ConnectionLike, slot?: HandshakeSlot): S | undefined {
    let socket: S;
    try {
      socket = this.#parts.wrap(stream, slot);
    } catch (error) {
      slot?.release();
      reset(stream);
      this.#report(error);
      return undefined;
    }
    debug?.(`accepted ${nameOf(socket)}`);
    this.#open.add(socket);
    void socket.closed.then(() => {
      this.#open.delete(socket);
      this.#pending.remove(socket);
    });
    return socket;
  }

  async #close(timeout: number): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      this.#listener.close(() => {
        resolve();
      });
    });
    this.#handlers.abort(closedError('the server closes'));
    this.#pending.close();
    const cutAll = (): void => {
      for (const socket of this.#open) cut(socket);
    };
    const wait = { timeout, signal: undefined };
    await withDeadline(stopped, wait, new AbortHub(), cutAll, 'open connections did not end');
  }

  #reportRefused(stream: ConnectionLike, why: string): void {
    debug?.(`refused ${nameOf({ remoteAddress: stream.remoteAddress ?? '' })}: ${why}`);
    this.#report(refused(why));
  }

  #report(error: unknown, socket?: LockedSocket): void {
    const { onError } = this.#parts;
    if (!onError) {
      this.#warn(error);
      return;
    }
    try {
      const result = onError(error, socket);
      if (result instanceof Promise) result.catch(this.#warn.bind(this));
    } catch (thrown) {
      this.#warn(thrown);
    }
  }

  #warn(error: unknown): void {
    const code = K4netError.is(error) ? error.code : 'K4NET_HANDLER';
    if (!this.#warnings.isNew(code)) return;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    emitWarning(
      `${text} (reported once per code; the onError option of listen gets every error)`,
      code,
      error,
    );
  }
}

function refused(why: string): K4netError {
  return new K4netError('K4NET_BUSY', `the server refused a connection: ${why}`);
}
