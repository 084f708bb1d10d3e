import { connectNet, listenNet } from './transports/net.js';

const build = process.env.K4NET_BENCH_BUILD ?? new URL('../../dist/', import.meta.url).href;
const { EncryptedSocket, generateKeyPair, LockedSocket, ...rest } = await import(
  new URL('index.js', build).href
);

/** Every other export of the build that is measured. */
export const library = rest;

/** Plain sockets of the library. */
export const plain = {
  listen: (accept) => listenNet((stream) => accept(new LockedSocket(stream))),
  connect: async (port) => new LockedSocket(await connectNet(port)),
  close: (socket) => socket.close(),
};

/** Encrypted sockets with one of the ciphers. Whose key it is makes no difference to the speed. */
export function encrypted(cipher) {
  return {
    async listen(accept) {
      const key = await generateKeyPair();
      return listenNet((stream) => {
        const socket = new EncryptedSocket(stream, { isServer: true, key, cipher });
        // As with TLS: whoever accepts gets a socket whose handshake is done.
        void socket.handshake().then(() => accept(socket));
      });
    },
    async connect(port) {
      const socket = new EncryptedSocket(await connectNet(port), { insecureAcceptAnyKey: true, cipher });
      await socket.handshake();
      return socket;
    },
    close: (socket) => socket.close(),
  };
}
