/// <reference lib="esnext.disposable" preserve="true" />
import PQueue from 'p-queue';
import { kindOf } from '../util/bytes.js';
import { debug, nameOf } from '../util/debug.js';
import { closedError, K4netError } from '../errors.js';
import { integer, milliseconds, ownOptions, queueOptions, withOptions } from '../util/options.js';
import { emitWarning } from '../platform/runtime.js';
import { Fifo } from '../util/fifo.js';
import { iterate } from '../util/iterate.js';
import type { EncryptedSocket } from '../sockets/encrypted-socket.js';
import { fail, onEmptyEnd } from '../sockets/acquire.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import type { DuplexLike } from '../transport/duplex.js';
import { AbortHub, withDeadline, Deferred, LazySignal, type GivenAbortSignal } from '../util/wait.js';
import type { Address } from './address.js';
import type { HandshakeGate, HandshakePlace } from './handshake-gate.js';

/** The second argument of a handler of {@link Server.serve}. */
export interface HandlerContext {
  /**
   * Belongs to this connection: aborts when the server begins to close, and when the connection has ended. Its reason is
   * a `K4netError`: `K4NET_CLOSED`, or the code of what broke the connection, with that as its cause. A handler that
   * rejects with this reason is not reported as failed. It may have any number of listeners.
   */
  readonly signal: GivenAbortSignal;
}

/** Looks after one connection; the socket is closed when it settles. */
export type ConnectionHandler<S extends LockedSocket = LockedSocket> = (
  socket: S,
  context: HandlerContext,
) => unknown;

/** Options of {@link Server.serve}. */
export interface ServeOptions {
  /**
   * Handlers that run at the same time. Further connections wait until one ends, up to the `maxPending` of `listen`.
   * Default Infinity.
   */
  readonly maxConnections?: number | undefined;
}

/** Options of {@link Server.close}. */
export interface ServerCloseOptions {
  /** Milliseconds for open sockets to come to their end before they are cut. Default 5000; 0 cuts at once. */
  readonly timeout?: number | undefined;
}

/** The part of Node's listener that a server uses. Structural: the public types must not need Node's. */
export interface ListenerLike {
  on(event: string, listener: (...args: never[]) => void): unknown;
  close(callback: () => void): unknown;
  address(): { readonly address: string; readonly port: number } | string | null;
  ref(): unknown;
  unref(): unknown;
}

/** The part of an accepted connection that a server uses. */
export interface ConnectionLike extends DuplexLike {
  readonly remoteAddress?: string | undefined;
  resetAndDestroy(): unknown;
}

/** Options and functions that `listen` gives a server besides its listener. */
export interface ServerParts<S extends LockedSocket> {
  readonly maxPending: number;
  readonly onError: ((error: unknown, socket?: LockedSocket) => unknown) | undefined;
  /** Makes the socket of an accepted connection. */
  readonly wrap: (stream: ConnectionLike, place?: HandshakePlace) => S;
  /** Limits and runs the handshakes of encrypted sockets, before handlers get the sockets. */
  readonly handshakes?: {
    readonly gate: HandshakeGate;
    readonly shake: (socket: S) => Promise<unknown>;
  };
  /** Fingerprints of the server's keys, the offered one first. */
  readonly fingerprints?: readonly string[];
}

/** A server of encrypted sockets always has a fingerprint. */
export type FingerprintOf<S extends LockedSocket> = S extends EncryptedSocket ? string : string | undefined;

/**
 * A listening server, made by `listen`: loop over it for its sockets, or give `serve` a handler.
 *
 * A connection that nobody has taken yet is read up to its `recvSize`, so that the server sees its end; an encrypted one
 * has completed its handshake.
 */
export class Server<S extends LockedSocket = LockedSocket> {
  readonly #listener: ListenerLike;
  readonly #parts: ServerParts<S>;
  readonly #asked: Address;
  /** Connections that wait to be taken. */
  readonly #pending = new Fifo<S>();
  readonly #takers = new Fifo<Deferred<S | undefined>>();
  readonly #live = new Set<S>();
  /** The signals of handlers whose connection is open. */
  readonly #signals = new Set<LazySignal>();
  #closing: K4netError | undefined;
  readonly #warned = new Set<string>();
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

  /** Where the server listens, in the form that `connect` takes. */
  address(): Address {
    return { ...(this.#address ?? this.#asked) };
  }

  /**
   * Fingerprint of the server's key, for clients to pin: of several keys the first, which the
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

  /** Connections that are open, those included that nobody has taken yet. */
  get connections(): number {
    return this.#live.size;
  }

  /** Lets the process live for this server (the default). */
  ref(): this {
    this.#listener.ref();
    return this;
  }

  /** Lets the process end in spite of this server. */
  unref(): this {
    this.#listener.unref();
    return this;
  }

  /** The sockets of new connections, for `for await`. Ends when the server closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<S, void> {
    const take = async (): Promise<IteratorResult<S, void>> => {
      const socket = await this.#take();
      return socket ? { done: false, value: socket } : { done: true, value: undefined };
    };
    return iterate(take);
  }

  /**
   * Calls the handler for every connection and closes the socket when the handler settles. A handler that throws or
   * rejects is reported to `onError`, and its socket is aborted: the loop of its client throws after what the handler
   * has sent. Other connections go on. Resolves when the server has closed and every handler settled.
   *
   * Rejects with a TypeError or RangeError for wrong arguments.
   */
  async serve(handler: ConnectionHandler<S>, options?: ServeOptions): Promise<void> {
    if (typeof handler !== 'function') throw new TypeError(`a handler is a function, not ${kindOf(handler)}`);
    const { maxConnections } = ownOptions('serve', options, ['maxConnections']);
    const concurrency = integer('maxConnections', maxConnections, Infinity, 1, Infinity);
    const handlers = new PQueue(queueOptions({ concurrency }));
    for await (const socket of this) {
      void handlers.add(() => this.#handle(handler, socket), queueOptions({}));
      // A connection is taken when a handler is free for it: until then it counts for `maxPending`.
      while (handlers.pending >= concurrency) await once(handlers, 'next');
    }
    await handlers.onIdle();
  }

  /**
   * Takes no new connections, lets the open ones come to their end, then cuts those that have not. Connections that
   * nobody had taken are reset. Resolves when the last one is gone; calling it again waits for the same close.
   *
   * Rejects with a TypeError or RangeError for wrong arguments.
   */
  async close(options?: ServerCloseOptions): Promise<void> {
    const timeout = milliseconds('timeout', ownOptions('close', options, ['timeout']).timeout, 5_000);
    this.#closed ??= this.#close(timeout);
    return this.#closed;
  }

  /** Closes the server, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(stream: ConnectionLike): void {
    // Until the socket has an owner nobody else hears its errors; the owner hears them too.
    stream.on('error', () => undefined);
    if (this.#parts.handshakes) {
      this.#admit(stream, this.#parts.handshakes);
    } else if (this.#takers.length > 0 || this.#pending.length < this.#parts.maxPending) {
      const socket = this.#adopt(stream);
      if (socket) this.#offer(socket);
    } else {
      this.#turnAway(stream, 'too many wait to be taken');
      destroy(stream);
    }
  }

  /** Shakes hands, if there is room for one more who does. */
  #admit(stream: ConnectionLike, { gate, shake }: NonNullable<ServerParts<S>['handshakes']>): void {
    const waiting = this.#pending.length + gate.pending - this.#takers.length;
    const full = waiting >= this.#parts.maxPending;
    const place = gate.enter(stream.remoteAddress ?? '', full);
    if (!place) {
      this.#turnAway(stream, full ? 'too many wait to be taken' : 'too many handshakes are under way');
      gate.turnAway(stream);
      return;
    }
    const socket = this.#adopt(stream, place);
    if (!socket) return;
    place.onDrop = () => {
      gate.dismiss(stream, () => {
        socket[fail](turnedAway('a newer one has taken its place, because it had sent no hello'));
      });
    };
    void shake(socket).then(
      () => {
        place.leave();
        if (this.#closed) cut(socket);
        else this.#offer(socket);
      },
      (error: unknown) => {
        // It holds its place until the connection is gone: the peer may take its time to read why.
        const leave = (): void => {
          place.leave();
        };
        if (stream.destroyed) leave();
        else stream.on('close', leave);
        this.#report(error, socket);
      },
    );
  }

  #turnAway(stream: ConnectionLike, why: string): void {
    debug?.(`turned away ${nameOf({ remoteAddress: stream.remoteAddress ?? '' })}: ${why}`);
    this.#report(turnedAway(why));
  }

  #offer(socket: S): void {
    const taker = this.#takers.shift();
    if (taker) {
      taker.resolve(socket);
      return;
    }
    this.#pending.push(socket);
    socket[onEmptyEnd](() => {
      this.#pending.remove(socket);
      cut(socket);
    });
  }

  /** Makes the socket of a connection. A failure is reported, and ends this connection only. */
  #adopt(stream: ConnectionLike, place?: HandshakePlace): S | undefined {
    let socket: S;
    try {
      socket = this.#parts.wrap(stream, place);
    } catch (error) {
      place?.leave();
      destroy(stream);
      this.#report(error);
      return undefined;
    }
    debug?.(`accepted ${nameOf(socket)}`);
    this.#live.add(socket);
    void socket.closed.then(() => {
      this.#live.delete(socket);
      this.#pending.remove(socket);
    });
    return socket;
  }

  #take(): Promise<S | undefined> {
    const socket = this.#pending.shift();
    if (socket) {
      socket[onEmptyEnd](undefined);
      return Promise.resolve(socket);
    }
    if (this.#closed) return Promise.resolve(undefined);
    const taker = new Deferred<S | undefined>();
    this.#takers.push(taker);
    return taker.promise;
  }

  async #handle(handler: ConnectionHandler<S>, socket: S): Promise<void> {
    const life = this.#lifeOf(socket);
    const context: HandlerContext = {
      get signal() {
        return life.signal;
      },
    };
    try {
      await handler(socket, context);
    } catch (error) {
      // A handler may give up for the reason of its signal.
      if (!life.aborted || error !== life.signal.reason) {
        this.#report(error, socket);
        await socket.abort(error);
      }
    }
    await socket.close();
  }

  #lifeOf(socket: S): LazySignal {
    const life = new LazySignal();
    if (this.#closing) life.abort(() => this.#closing);
    this.#signals.add(life);
    void socket.closed.then(({ code, error }) => {
      this.#signals.delete(life);
      // An error of its own: a handler that fails with the error of the connection is reported all the same.
      life.abort(() => new K4netError(code, 'the connection has ended', { cause: error }));
    });
    return life;
  }

  async #close(timeout: number): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      this.#listener.close(() => {
        resolve();
      });
    });
    const reason = closedError('the server closes');
    this.#closing = reason;
    for (const life of this.#signals) life.abort(() => reason);
    for (let socket = this.#pending.shift(); socket; socket = this.#pending.shift()) cut(socket);
    for (let taker = this.#takers.shift(); taker; taker = this.#takers.shift()) taker.resolve(undefined);
    const cutAll = (): void => {
      for (const socket of this.#live) cut(socket);
    };
    const wait = { timeout, signal: undefined };
    await withDeadline(stopped, wait, new AbortHub(), cutAll, 'the connections did not end');
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
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    emitWarning(`${text} (reported once a kind: give listen an onError to hear of every one)`, code, error);
  }
}

function turnedAway(why: string): K4netError {
  return new K4netError('K4NET_BUSY', `a connection was turned away: ${why}`);
}

/** Resolves when the queue says so the next time. */
function once(queue: PQueue, event: 'next'): Promise<void> {
  return new Promise((resolve) => queue.once(event, resolve));
}

function cut(socket: LockedSocket): void {
  void socket.close(undefined, { timeout: 0 });
}

/** A reset where the carrier has one: a mere end would look like a server that had nothing to say. */
function destroy(stream: ConnectionLike): void {
  try {
    stream.resetAndDestroy();
  } catch {
    stream.destroy();
  }
}
