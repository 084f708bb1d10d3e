import type { Address } from './address.js';
import type { Listener } from './listener.js';
import { TcpListener } from './tcp-listener.js';
import { WebSocketListener } from './web-socket-listener.js';
import type { WebSocketSource } from './web-socket-source.js';

// The form of `#net` for Node, Bun and Deno: TCP, Unix sockets, Windows pipes, WebSockets,
// pipes between two processes.

export { dialTcp } from './tcp-dial.js';
export { newWebSocket } from './node-web-socket.js';
export { childTransport, parentTransport } from './process-pipe.js';

/** @throws K4netError `K4NET_UNSUPPORTED` where the runtime has no node:net. */
export function listenOn(address: Address): Listener {
  return new TcpListener(address);
}

/** @throws TypeError or RangeError for an invalid option. */
export function listenForWebSockets(source: WebSocketSource): Listener {
  return new WebSocketListener(source);
}
