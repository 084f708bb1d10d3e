import type { Address } from './address.js';
import type { Listener } from './listener.js';
import { TcpListener } from './tcp-listener.js';

// The form of `#net` for Node, Bun and Deno: TCP, Unix sockets, Windows pipes.

export { dialTcp } from './tcp-dial.js';

/** @throws K4netError `K4NET_UNSUPPORTED` where the runtime has no node:net. */
export function listenOn(address: Address): Listener {
  return new TcpListener(address);
}
