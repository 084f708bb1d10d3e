// WebSocket, by the package ws: in Node, Bun and Deno.
import { WebSocketServer } from 'ws';
import { closing } from './closing.js';

export function ws({ listen }) {
  return async (options, address) => {
    const server = await listen({ ...options, webSocket: false });
    const port = address === undefined ? 0 : Number(new URL(address).port);
    const sockets = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false });
    await new Promise((resolve, reject) => {
      sockets.on('listening', resolve);
      sockets.on('error', reject);
    });
    sockets.on('connection', (socket) => server.accept(socket));
    return {
      server: closing(server, () => sockets.close()),
      address: `ws://127.0.0.1:${sockets.address().port}/`,
    };
  };
}
