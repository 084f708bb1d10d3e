import { once } from 'node:events';
import net from 'node:net';

/** Listens on a free port of loopback. */
export async function listenNet(accept) {
  const server = net.createServer({ noDelay: true }, accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

/** A connected TCP socket. */
export async function connectNet(port) {
  const stream = net.connect({ port, host: '127.0.0.1', noDelay: true });
  await once(stream, 'connect');
  return stream;
}
