import type { Transport } from '../transport/transport.js';
import { hostOf } from './address.js';

/** A connection that a server has accepted. */
export interface Incoming {
  readonly transport: Transport;
  /** The address of the client, for the limits. */
  readonly address: string;
  /** Ends the connection at once. */
  readonly cut: () => void;
}

/**
 * @param address - default: the address of the transport.
 * @param terminate - for a carrier whose abort would wait for the peer.
 */
export function incoming(transport: Transport, address?: string, terminate?: () => void): Incoming {
  const cut = (): void => {
    transport.abort();
    terminate?.();
  };
  return { transport, address: address ?? hostOf(transport.remoteAddress), cut };
}
