// A plain LockedSocket: `for await` to receive, `await send()` to send.
import { once } from 'node:events';
import net from 'node:net';

const build = process.env.K4NET_BENCH_BUILD ?? new URL('../../../dist/', import.meta.url).href;
const { LockedSocket } = await import(new URL('index.js', build).href);

export * as roles from '../socket-roles.js';

export async function listen(accept) {
  const server = net.createServer((stream) => accept(new LockedSocket(stream)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect(port) {
  const stream = net.connect(port, '127.0.0.1');
  await once(stream, 'connect');
  return new LockedSocket(stream);
}

export function close(socket) {
  return socket.close();
}
