// An instance of the service `orders` in a process of its own: sends every message back, and closes
// when its parent says so. Arguments: the URL of the nats-server, and the path of the library.
import { connect } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';

const [url, library, keyFile] = process.argv.slice(2);
const { listenNats } = await import(library);
const nc = await connect({ servers: url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
const key = readFileSync(keyFile, 'utf8');
const server = await listenNats(nc, 'orders', { key, onError: () => undefined });
process.on('message', async () => {
  await server.close();
  await nc.drain();
  process.disconnect();
});
process.send(server.id);
await server.serve(async (socket, { signal }) => {
  signal.addEventListener('abort', () => void socket.close());
  for await (const message of socket) await socket.send(message);
});
