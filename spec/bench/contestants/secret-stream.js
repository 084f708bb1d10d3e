// `@hyperswarm/secret-stream` over TCP. It keeps the borders of messages itself.
import { once } from 'node:events';
import SecretStream from '@hyperswarm/secret-stream';
import { connectNet, listenNet } from '../transports/net.js';

export * as roles from '../roles/callbacks.js';

class SecretConnection {
  onMessage = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;

  constructor(stream) {
    this.stream = stream;
    stream.on('data', (message) => {
      this.onMessage(message);
    });
    stream.on('drain', () => {
      this.onDrain();
    });
    stream.on('error', (error) => {
      this.onError(error);
    });
  }

  send(message) {
    return this.stream.write(message);
  }
}

const keyPair = SecretStream.keyPair();

export function listen(accept) {
  return listenNet((raw) => {
    const connection = new SecretConnection(new SecretStream(false, raw, { keyPair }));
    connection.stream.once('connect', () => accept(connection));
  });
}

export async function connect(port) {
  const connection = new SecretConnection(new SecretStream(true, await connectNet(port), { keyPair }));
  await once(connection.stream, 'connect');
  return connection;
}

export const close = (connection) => connection.stream.destroy();
