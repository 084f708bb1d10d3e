import type { LockedSocket } from '../sockets/locked-socket.js';
import type { DuplexLike } from '../transport/duplex-like.js';
import type { HandshakeLimits, HandshakeSlot } from './handshake-limits.js';

/**
 * The part of Node's listener that a server uses. Structural: the public types must not need
 * Node's.
 */
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
  readonly wrap: (stream: ConnectionLike, slot?: HandshakeSlot) => S;
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

/**
 * Resets the connection where there is a reset: an end would look like a server with nothing to
 * send.
 */
export function reset(stream: ConnectionLike): void {
  try {
    stream.resetAndDestroy();
  } catch {
    stream.destroy();
  }
}
