// `@hyperswarm/secret-stream` over TCP. It has its own framing.
import { once } from 'node:events';
import SecretStream from '@hyperswarm/secret-stream';
import { connectNet, listenNet } from '../transports/net.js';
import { StreamConnection } from '../transports/stream-connection.js';

export * as driver from '../drivers/callbacks.js';

const keyPair = SecretStream.keyPair();

export function listen(accept) {
  return listenNet((raw) => {
    const connection = new StreamConnection(new SecretStream(false, raw, { keyPair }));
    connection.stream.once('connect', () => accept(connection));
  });
}

export async function connect(port) {
  const connection = new StreamConnection(new SecretStream(true, await connectNet(port), { keyPair }));
  await once(connection.stream, 'connect');
  return connection;
}

export const close = (connection) => connection.stream.destroy();
