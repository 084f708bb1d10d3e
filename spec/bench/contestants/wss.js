// `ws` over node:tls with the cipher of the other TLS contestants.
import { once } from 'node:events';
import { createServer } from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { cert, key } from '../server-key.js';
import { tlsOptions, trusted } from '../transports/tls.js';
import { WsConnection, wsOptions } from '../transports/ws-connection.js';

export * as driver from '../drivers/callbacks.js';

export async function listen(accept) {
  const server = createServer({ key, cert, ...tlsOptions });
  const sockets = new WebSocketServer({ server, ...wsOptions });
  sockets.on('connection', (socket) => accept(new WsConnection(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect(port) {
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, { secureContext: trusted, ...wsOptions });
  await once(socket, 'open');
  return new WsConnection(socket);
}

export const close = (connection) => connection.socket.terminate();
