import { K4netError } from '../errors.js';
import { fail, whenGone } from '../sockets/acquire.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { debug, nameOf } from '../util/debug.js';
import { Deferred } from '../util/wait.js';
import { AcceptQueue } from './accept-queue.js';
import type { ErrorReporter } from './error-reporter.js';
import type { HandshakeSlot } from './handshake-limits.js';
import type { Incoming } from './incoming.js';
import { readAndDrop } from './read-and-drop.js';
import { cut, type ServerParts } from './server-parts.js';

/** The connections of a server: limits and handshakes until the program takes them. */
export class Intake<S extends LockedSocket> {
  readonly pending: AcceptQueue<S> = new AcceptQueue<S>();
  readonly open: Set<S> = new Set<S>();
  readonly #parts: ServerParts<S>;
  readonly #reporter: ErrorReporter;
  /** Connections that are not gone, those included that were refused. */
  #alive = 0;
  #allGone: Deferred<void> | undefined;

  constructor(parts: ServerParts<S>, reporter: ErrorReporter) {
    this.#parts = parts;
    this.#reporter = reporter;
  }

  accept(connection: Incoming): void {
    const { handshakes, maxPending } = this.#parts;
    if (this.#allGone) {
      this.#drop(connection);
    } else if (handshakes) {
      this.#acceptHandshake(connection, handshakes);
    } else if (this.pending.length < maxPending) {
      const socket = this.#wrap(connection);
      if (socket) this.pending.push(socket);
    } else {
      this.#reportRefused(connection, pendingFull(maxPending));
      this.#drop(connection);
    }
  }

  #drop({ transport, cut: cutNow }: Incoming): void {
    this.#track(readAndDrop(transport));
    cutNow();
  }

  #acceptHandshake(connection: Incoming, { limits, run }: NonNullable<ServerParts<S>['handshakes']>): void {
    const { maxPending } = this.#parts;
    const full = this.pending.length + limits.pending >= maxPending;
    const slot = limits.acquire(connection.address, full);
    if (!slot) {
      this.#reportRefused(
        connection,
        full
          ? pendingFull(maxPending)
          : 'all its slots for handshakes are in use (maxHandshakes, maxHandshakesPerAddress)',
      );
      this.#track(limits.refuse(connection));
      return;
    }
    const socket = this.#wrap(connection, slot);
    if (!socket) return;
    slot.onDrop = () => {
      socket[fail](refused('it sent no first message, and a newer one needs its slot (maxHandshakes)'));
      limits.dismiss(connection, socket[whenGone]);
    };
    void run(socket).then(
      () => {
        slot.release();
        if (this.#allGone) cut(socket);
        else this.pending.push(socket);
      },
      (error: unknown) => {
        // The connection keeps its slot until it is gone, because the peer may take long to read
        // the alert.
        void socket[whenGone].then(() => {
          slot.release();
        });
        this.#reporter.report(error, socket);
      },
    );
  }

  /** Makes the socket of a connection. If that fails, only this connection ends. */
  #wrap(connection: Incoming, slot?: HandshakeSlot): S | undefined {
    let socket: S;
    try {
      socket = this.#parts.wrap(connection.transport, slot);
    } catch (error) {
      slot?.release();
      this.#drop(connection);
      this.#reporter.report(error);
      return undefined;
    }
    debug?.(`accepted ${nameOf(socket)}`);
    this.open.add(socket);
    this.#track(socket[whenGone]);
    void socket.closed.then(() => {
      this.open.delete(socket);
      this.pending.remove(socket);
    });
    return socket;
  }

  /**
   * Accepts no more, and cuts the connections that the program has not taken. Resolves when every
   * connection is gone.
   */
  close(): Promise<void> {
    this.#allGone ??= new Deferred();
    if (this.#alive === 0) this.#allGone.resolve();
    this.pending.close();
    return this.#allGone.promise;
  }

  /** Cuts the open connections. */
  cut(): void {
    for (const socket of this.open) cut(socket);
  }

  /** @param gone - resolves when a connection is gone. */
  #track(gone: Promise<unknown>): void {
    this.#alive += 1;
    void gone.then(() => {
      this.#alive -= 1;
      if (this.#alive === 0) this.#allGone?.resolve();
    });
  }

  #reportRefused({ transport }: Incoming, why: string): void {
    debug?.(`refused ${nameOf(transport)}: ${why}`);
    this.#reporter.report(refused(why));
  }
}

function pendingFull(maxPending: number): string {
  return `maxPending (${maxPending}) connections wait already`;
}

function refused(why: string): K4netError {
  return new K4netError('K4NET_BUSY', `the server refused a connection: ${why}`);
}
