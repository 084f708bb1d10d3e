import { onEmptyEnd } from '../sockets/internal.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { Fifo } from '../util/fifo.js';
import { Deferred } from '../util/wait.js';

/**
 * The connections of a server that the program has not taken yet, and the calls that wait for one.
 */
export class AcceptQueue<S extends LockedSocket> {
  readonly #sockets = new Fifo<S>();
  readonly #takers = new Fifo<Deferred<S | undefined>>();
  #closed = false;

  /** Connections that wait, minus calls that wait for one. */
  get length(): number {
    return this.#sockets.length - this.#takers.length;
  }

  /**
   * Adds a connection. If it ends before it is taken, and without a message, it is closed and
   * leaves the queue.
   */
  push(socket: S): void {
    const taker = this.#takers.shift();
    if (taker) {
      taker.resolve(socket);
      return;
    }
    this.#sockets.push(socket);
    socket[onEmptyEnd](() => {
      this.#sockets.remove(socket);
      cut(socket);
    });
  }

  remove(socket: S): void {
    this.#sockets.remove(socket);
  }

  /** Takes the next connection, or waits for one. Undefined once the queue is closed. */
  take(): Promise<S | undefined> {
    const socket = this.#sockets.shift();
    if (socket) {
      socket[onEmptyEnd](undefined);
      return Promise.resolve(socket);
    }
    if (this.#closed) return Promise.resolve(undefined);
    const taker = new Deferred<S | undefined>();
    this.#takers.push(taker);
    return taker.promise;
  }

  /** Cuts the connections that wait, and ends the calls that wait for one. */
  close(): void {
    this.#closed = true;
    for (let socket = this.#sockets.shift(); socket; socket = this.#sockets.shift()) cut(socket);
    for (let taker = this.#takers.shift(); taker; taker = this.#takers.shift()) taker.resolve(undefined);
  }

  /** The connections in turn, until the queue is closed. */
  iterate(): AsyncIterableIterator<S, void> {
    const next = async (): Promise<IteratorResult<S, void>> => {
      const socket = await this.take();
      return socket ? { done: false, value: socket } : { done: true, value: undefined };
    };
    return {
      next,
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}

/** Closes a socket without waiting for its peer. */
export function cut(socket: LockedSocket): void {
  void socket.close(undefined, { timeout: 0 });
}
