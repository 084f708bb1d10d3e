import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

/** Two connected sockets of `ws`. */
export interface WebSocketPair {
  readonly near: WebSocket;
  readonly far: WebSocket;
  readonly dispose: () => Promise<void>;
}

/** A WebSocket over loopback TCP. */
export async function webSocketPair(): Promise<WebSocketPair> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const { port } = server.address() as AddressInfo;
  const near = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  // Messages that arrive before there is a transport would be lost.
  const [far] = (await accepted) as [WebSocket];
  await once(near, 'open');
  return {
    near,
    far,
    dispose: async () => {
      for (const socket of [near, far]) {
        socket.on('error', () => undefined);
        socket.terminate();
      }
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
