import { K4netError } from '../errors.js';
import { fail, whenGone } from '../sockets/acquire.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import type { Transport } from '../transport/transport.js';
import { debug, nameOf } from '../util/debug.js';
import { Deferred } from '../util/wait.js';
import { AcceptQueue } from './accept-queue.js';
import { hostOf } from './address.js';
import type { ErrorReporter } from './error-reporter.js';
import type { HandshakeSlot } from './handshake-limits.js';
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

  /** @param address - of the client, for the limits. */
  accept(transport: Transport, address: string = hostOf(transport.remoteAddress)): void {
    const { handshakes, maxPending } = this.#parts;
    if (this.#allGone) {
      this.#track(readAndDrop(transport));
      transport.abort();
    } else if (handshakes) {
      this.#acceptHandshake(transport, address, handshakes);
    } else if (this.pending.length < maxPending) {
      const socket = this.#wrap(transport);
      if (socket) this.pending.push(socket);
    } else {
      this.#reportRefused(transport, 'maxPending connections wait');
      this.#track(readAndDrop(transport));
      transport.abort();
    }
  }

  #acceptHandshake(
    transport: Transport,
    address: string,
    { limits, run }: NonNullable<ServerParts<S>['handshakes']>,
  ): void {
    const full = this.pending.length + limits.pending >= this.#parts.maxPending;
    const slot = limits.acquire(address, full);
    if (!slot) {
      this.#reportRefused(
        transport,
        full ? 'maxPending connections wait' : 'maxHandshakes or maxHandshakesPerAddress is reached',
      );
      this.#track(limits.refuse(transport));
      return;
    }
    const socket = this.#wrap(transport, slot);
    if (!socket) return;
    slot.onDrop = () => {
      socket[fail](refused('it had sent no first message, and all maxHandshakes slots were taken'));
      limits.dismiss(transport, socket[whenGone]);
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
  #wrap(transport: Transport, slot?: HandshakeSlot): S | undefined {
    let socket: S;
    try {
      socket = this.#parts.wrap(transport, slot);
    } catch (error) {
      slot?.release();
      this.#track(readAndDrop(transport));
      transport.abort();
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

  #reportRefused(transport: Transport, why: string): void {
    debug?.(`refused ${nameOf(transport)}: ${why}`);
    this.#reporter.report(refused(why));
  }
}

function refused(why: string): K4netError {
  return new K4netError('K4NET_BUSY', `the server refused a connection: ${why}`);
}
