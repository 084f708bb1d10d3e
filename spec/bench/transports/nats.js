import { connect as connectTransport } from '@nats-io/transport-node';
import { findNatsServer, startNatsServer } from '../../../docs/examples/nats/nats-server.js';

if (findNatsServer() === undefined)
  throw new Error('there is no nats-server: install it, or set NATS_SERVER to its path');

/** Starts a nats-server, and connects to it. */
export async function listenNatsServer() {
  const server = await startNatsServer();
  return { nc: await connectTransport({ servers: server.url }), port: Number(new URL(server.url).port) };
}

let connection;

/** The connection of this process: k4net has many sessions over one, and nats.js needs one too. */
export function connectNatsServer(port) {
  connection ??= connectTransport({ servers: `nats://127.0.0.1:${port}` });
  return connection;
}
