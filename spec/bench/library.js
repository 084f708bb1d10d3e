import { key as pem } from './server-key.js';
import { connectNet, listenNet } from './transports/net.js';

/** The folder of the measured build. Only its public entries are imported. */
export const build = process.env.K4NET_BENCH_BUILD ?? new URL('../../dist/', import.meta.url).href;
const { codec, EncryptedSocket, importKeyPair, LockedSocket, QueueSocket } = await import(
  new URL('index.js', build).href
);

/** Plain sockets. */
export const plain = {
  listen: (accept) => listenNet((stream) => accept(new LockedSocket(stream))),
  connect: async (port) => new LockedSocket(await connectNet(port)),
  close: (socket) => socket.close(),
};

/** The key of all servers. */
export const serverKey = () => importKeyPair(pem);

/**
 * Encrypted sockets. The client has the server's key, as the clients of TLS have its certificate.
 */
export async function encrypted(cipher) {
  const key = await serverKey();
  return {
    listen: (accept) =>
      listenNet((stream) => {
        const socket = new EncryptedSocket(stream, { isServer: true, key, cipher });
        // As with TLS, a server accepts a connection after its handshake.
        void socket.handshake().then(() => accept(socket));
      }),
    async connect(port) {
      const socket = new EncryptedSocket(await connectNet(port), { key: key.publicKey, cipher });
      await socket.handshake();
      return socket;
    },
    close: (socket) => socket.close(),
  };
}

const messageName = 'message';

/** A QueueSocket with one name for all untyped messages and requests. */
class QueueConnection {
  onMessage = () => undefined;

  constructor(socket) {
    this.queue = new QueueSocket(socket);
    this.queue.registerCallback(messageName, (reader) => this.onMessage(reader.read()));
  }

  send(message) {
    return this.queue.sendRegistered(messageName, message);
  }

  async call(message) {
    const reader = await this.queue.call(messageName, message);
    return reader.read();
  }
}

/** The same sockets with queues over them. */
export const queued = (sockets) => over(sockets, QueueConnection);

/** The same sockets with queues over them, and streaming calls. */
export const streaming = (sockets) => over(sockets, StreamConnection);

/** The same with items of a codec. */
export const typedStreaming = (sockets) => over(sockets, TypedStreamConnection);

function over({ listen, connect }, Connection) {
  return {
    listen: (accept) =>
      listen((socket) => {
        const connection = new Connection(socket);
        accept(connection);
        connection.queue.start();
      }),
    async connect(port) {
      const connection = new Connection(await connect(port));
      connection.queue.start();
      return connection;
    },
    close: (connection) => connection.queue.close(),
  };
}

/** A QueueSocket with one name for streamed answers and one for uploads. */
class StreamConnection {
  onBody = () => undefined;
  /** Answers the streaming call of the peer, which may come first. */
  answerItems;
  #source = new Promise((resolve) => (this.answerItems = resolve));

  constructor(socket) {
    this.queue = new QueueSocket(socket);
    this.api = this.makeApi();
    this.api.registerCallback('items', () => this.#source);
    this.api.registerCallback('upload', (_, { body }) => this.onBody(body));
  }

  makeApi() {
    return this.queue;
  }

  async items() {
    // A connection that was accepted starts when the driver has it.
    await undefined;
    return this.api.stream('items');
  }

  upload(body) {
    return this.api.call('upload', new Uint8Array(0), { body });
  }

  bytesOf(reader) {
    return reader.read();
  }
}

class TypedStreamConnection extends StreamConnection {
  makeApi() {
    return this.queue.typed(streamMessages);
  }

  upload(body) {
    return this.api.call('upload', undefined, { body });
  }

  bytesOf(value) {
    return value;
  }
}

/** The names and payloads of the typed calls. */
export const typedMessages = {
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.struct({ sum: codec.int32 })),
  note: codec.struct({ n: codec.int32, text: codec.string }),
};

const streamMessages = {
  items: codec.stream(codec.nothing, codec.bytes),
  upload: codec.request(codec.nothing, codec.nothing, { body: codec.bytes }),
};
