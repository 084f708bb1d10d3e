// `ws` without compression and with its native masking.
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { WsConnection, wsOptions } from '../transports/ws-connection.js';

export * as driver from '../drivers/callbacks.js';

export async function listen(accept) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...wsOptions });
  server.on('connection', (socket) => accept(new WsConnection(socket)));
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, wsOptions);
  await once(socket, 'open');
  return new WsConnection(socket);
}

export const close = (connection) => connection.socket.terminate();
