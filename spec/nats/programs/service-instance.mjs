// An instance of the service `orders` in a process of its own, which answers calls. It closes when
// its parent says so. Arguments: the URLs of the nats-servers with commas between, the paths of
// `k4net/nats` and `k4net`, and the file of the key.
import { connect } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';

const [url, library, main, keyFile] = process.argv.slice(2);
const { listenNats } = await import(library);
const { codec } = await import(main);
const nc = await connect({ servers: url.split(','), reconnectTimeWait: 50, maxReconnectAttempts: -1 });
const key = readFileSync(keyFile, 'utf8');
const server = await listenNats(nc, 'orders', { key, onError: () => undefined });
process.on('message', async () => {
  await server.close();
  await nc.drain();
  process.disconnect();
});
const messages = {
  whoAmI: codec.request(codec.nothing, codec.string),
  double: codec.request(codec.float64, codec.float64),
  reverse: codec.request(codec.bytes, codec.bytes),
};
process.send(server.id);
await server.serveQueue({
  messages,
  callbacks: { whoAmI: () => server.id, double: (n) => 2 * n, reverse: (bytes) => bytes.slice().reverse() },
  onError: () => undefined,
});
