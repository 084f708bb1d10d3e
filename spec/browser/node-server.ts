import { WebSocketServer, type WebSocket } from 'ws';
import { libraryRoutes } from './built.js';
import { startSite } from './site.js';

/** A site whose WebSockets the tests serve in Node. */
export interface NodeServer {
  readonly origin: string;
  readonly port: number;
  /** Serves the WebSockets that come from now on, instead of the function before. */
  serve: (onSocket: (socket: WebSocket) => void) => void;
  readonly close: () => Promise<void>;
}

export async function startNodeServer(): Promise<NodeServer> {
  const site = await startSite(libraryRoutes);
  let current: (socket: WebSocket) => void = (socket) => {
    socket.terminate();
  };
  // No data message of the credit layer is longer than the largest window.
  const sockets = new WebSocketServer({
    server: site.server,
    perMessageDeflate: false,
    maxPayload: 1_048_577,
  });
  sockets.on('connection', (socket) => {
    current(socket);
  });
  return {
    origin: site.origin,
    port: site.port,
    serve: (onSocket) => {
      current = onSocket;
    },
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      await site.close();
    },
  };
}
