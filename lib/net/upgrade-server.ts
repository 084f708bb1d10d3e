import { builtin, type NodeHttpServer, type NodeSocket } from '../platform/runtime.js';
import { withOptions } from '../util/options.js';

/** Milliseconds that a client has to send its request. */
const requestTime = 10_000;
/** Connections without a request. One more replaces the oldest. */
const maxWaiting = 256;

/** An HTTP server that answers no request but upgrades. */
export class UpgradeServer {
  readonly server: NodeHttpServer;
  /** Connections without a request, the oldest first. */
  readonly #waiting = new Set<NodeSocket>();

  /** @throws K4netError `K4NET_UNSUPPORTED` where the runtime has no node:http. */
  constructor() {
    const { createServer } = builtin('node:http', 'a server for WebSockets');
    const options = { headersTimeout: requestTime, requestTimeout: requestTime };
    this.server = createServer(withOptions(options), (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end();
    });
    this.server.maxConnections = Infinity;
    this.server.on('connection', (socket: NodeSocket) => {
      this.#waiting.add(socket);
      socket.on('close', () => {
        this.#waiting.delete(socket);
      });
      if (this.#waiting.size > maxWaiting) this.#destroyOldest();
    });
  }

  /** A connection has sent its request. */
  upgraded(socket: NodeSocket): void {
    this.#waiting.delete(socket);
  }

  /** Stops to listen. Resolves when all connections are gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => {
        resolve();
      });
      while (this.#waiting.size > 0) this.#destroyOldest();
    });
  }

  #destroyOldest(): void {
    for (const socket of this.#waiting) {
      this.#waiting.delete(socket);
      socket.destroy();
      return;
    }
  }
}
