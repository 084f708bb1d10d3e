// `@grpc/grpc-js` without TLS and without a codec: one bidirectional stream one way, unary calls
// for requests.
import { promisify } from 'node:util';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';

export * as driver from '../drivers/calls.js';

const bytes = (value) => value;
const codec = {
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};
const service = {
  stream: { path: '/bench/stream', requestStream: true, responseStream: true, ...codec },
  unary: { path: '/bench/unary', requestStream: false, responseStream: false, ...codec },
};
const limits = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

class GrpcConnection {
  onMessage = () => undefined;
  onCall = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #stream;

  /**
   * @param {object} [client]
   * @param {() => void} [forget] - called when it closes.
   */
  constructor(client, forget = () => undefined) {
    this.client = client;
    this.forget = forget;
  }

  send(message) {
    if (this.#stream === undefined)
      this.attach(this.client.makeBidiStreamRequest(service.stream.path, bytes, bytes));
    return this.#stream.write(message);
  }

  attach(stream) {
    this.#stream = stream;
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

  call(message, done) {
    this.client.makeUnaryRequest(service.unary.path, bytes, bytes, message, done);
  }

  close() {
    this.#stream?.end();
    this.client?.close();
    this.forget();
  }
}

export async function listen(accept) {
  const server = new Server(limits);
  // A unary call has no connection object. The peer's address tells which connection it is of.
  const peers = new Map();
  server.addService(service, {
    stream(call) {
      const connection = new GrpcConnection();
      connection.attach(call);
      accept(connection);
    },
    unary(call, answer) {
      const peer = call.getPeer();
      let connection = peers.get(peer);
      if (connection === undefined) {
        // A later client may use the same port.
        connection = new GrpcConnection(undefined, () => peers.delete(peer));
        peers.set(peer, connection);
        accept(connection);
      }
      answer(null, connection.onCall(call.request));
    },
  });
  const port = await promisify(server.bindAsync.bind(server))(
    '127.0.0.1:0',
    ServerCredentials.createInsecure(),
  );
  return { port };
}

export async function connect(port) {
  // Without this option clients share a connection.
  const options = { ...limits, 'grpc.use_local_subchannel_pool': 1 };
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  await promisify(client.waitForReady.bind(client))(Date.now() + 10_000);
  return new GrpcConnection(client);
}

export const close = (connection) => connection.close();
