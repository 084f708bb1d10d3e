import type { Transport } from '../transport/transport.js';
import type { Address } from './address.js';

/** The functions of a server that its listeners call. */
export interface ListenerHandlers {
  /** @param address - of the client, for the limits. Default: the address of the transport. */
  readonly accept: (transport: Transport, address?: string) => void;
  /** Reports an error that is not of one connection, or of one that was not accepted. */
  readonly report: (error: unknown) => void;
}

/** A source of connections of a server: a port, a path or an HTTP server. */
export interface Listener {
  /** Starts to accept. Rejects with `K4NET_LISTEN`, or with `K4NET_UNSUPPORTED`. */
  open(handlers: ListenerHandlers): Promise<void>;
  /**
   * Stops to accept. Closes what this listener has opened, and resolves when the connections of
   * that are gone.
   */
  close(): Promise<void>;
  /** The port or the path, if it listens on one for connections without WebSocket. */
  readonly address?: Address;
  /** Where clients can connect, as `connect` takes it; undefined while that is unknown. */
  readonly url: string | undefined;
  /** Keeps the process running while it listens (the default). */
  ref(): void;
  /** Lets the process exit although it listens. */
  unref(): void;
}
