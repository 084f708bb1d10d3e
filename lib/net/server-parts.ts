import type { LockedSocket } from '../sockets/locked-socket.js';
import type { Transport } from '../transport/transport.js';
import type { HandshakeLimits, HandshakeSlot } from './handshake-limits.js';

/** Options and functions that `listen` gives a server besides its listeners. */
export interface ServerParts<S extends LockedSocket> {
  readonly maxPending: number;
  readonly onError: ((error: unknown, socket?: LockedSocket) => unknown) | undefined;
  /** Makes the socket of an accepted connection. */
  readonly wrap: (transport: Transport, slot?: HandshakeSlot) => S;
  /** Limits and runs the handshakes of encrypted sockets, before the program gets the sockets. */
  readonly handshakes?: {
    readonly limits: HandshakeLimits;
    readonly run: (socket: S) => Promise<unknown>;
  };
  /** Fingerprints of the server's keys. Clients that ask for a key get the first one. */
  readonly fingerprints?: readonly string[];
}

/** Closes a socket without waiting for its peer. */
export function cut(socket: LockedSocket): void {
  void socket.close(undefined, { timeout: 0 });
}
