import { K4netError } from '../errors.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { Deferred, LazySignal, type GivenAbortSignal } from '../util/wait.js';

/** The second argument of a handler of {@link Server.serve}. */
export interface HandlerContext {
  /**
   * Aborts when the server begins to close, and when the connection has ended. Its reason is a
   * `K4netError`: `K4NET_CLOSED`, or the code of the error that broke the connection, with that
   * error as its cause. A handler that rejects with this reason is not reported as failed. The
   * signal may have any number of listeners.
   */
  readonly signal: GivenAbortSignal;
}

/** Handles one connection. The server closes the socket when the handler settles. */
export type ConnectionHandler<S extends LockedSocket = LockedSocket> = (
  socket: S,
  context: HandlerContext,
) => unknown;

/** Options of {@link Server.serve}. */
export interface ServeOptions {
  /**
   * Handlers that run at the same time. Further connections wait until one ends, up to the
   * `maxPending` of `listen`. Default Infinity.
   */
  readonly maxConnections?: number | undefined;
}

/** Runs a handler for every connection of a server. */
export class HandlerRunner<S extends LockedSocket> {
  readonly #report: (error: unknown, socket: S) => void;
  /** The signals of handlers whose connection is open. */
  readonly #signals = new Set<LazySignal>();
  #closing: K4netError | undefined;

  /** @param report - gets the error of a handler that fails. */
  constructor(report: (error: unknown, socket: S) => void) {
    this.#report = report;
  }

  /**
   * Runs handlers for the given connections. Resolves when there are no more and every handler has
   * settled.
   *
   * @param concurrency - handlers that run at the same time.
   */
  async run(sockets: AsyncIterable<S>, handler: ConnectionHandler<S>, concurrency: number): Promise<void> {
    let running = 0;
    let ended: Deferred<void> | undefined;
    const onEnd = (): void => {
      running -= 1;
      ended?.resolve();
    };
    for await (const socket of sockets) {
      running += 1;
      this.#handle(handler, socket).then(onEnd, onEnd);
      // Take the next connection only when a handler is free for it: until then it counts for
      // `maxPending`.
      while (running >= concurrency) await (ended = new Deferred()).promise;
    }
    while (running > 0) await (ended = new Deferred()).promise;
  }

  /** Aborts the signals of all handlers, and of those that begin later. */
  abort(reason: K4netError): void {
    this.#closing = reason;
    for (const signal of this.#signals) signal.abort(() => reason);
  }

  async #handle(handler: ConnectionHandler<S>, socket: S): Promise<void> {
    const lazy = this.#signalOf(socket);
    const context: HandlerContext = {
      get signal() {
        return lazy.signal;
      },
    };
    try {
      await handler(socket, context);
    } catch (error) {
      if (!lazy.aborted || error !== lazy.signal.reason) {
        this.#report(error, socket);
        await socket.abort(error);
      }
    }
    await socket.close();
  }

  #signalOf(socket: S): LazySignal {
    const lazy = new LazySignal();
    if (this.#closing) lazy.abort(() => this.#closing);
    this.#signals.add(lazy);
    void socket.closed.then(({ code, error }) => {
      this.#signals.delete(lazy);
      // A new error: a handler that fails with the error of the connection itself is still
      // reported.
      lazy.abort(() => new K4netError(code, 'the connection has ended', { cause: error }));
    });
    return lazy;
  }
}
