import { key as pem } from './server-key.js';
import { connectNet, listenNet } from './transports/net.js';

const build = process.env.K4NET_BENCH_BUILD ?? new URL('../../dist/', import.meta.url).href;
const { EncryptedSocket, importKeyPair, LockedSocket, ...rest } = await import(
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

/** Encrypted sockets with one of the ciphers. The client has the server's key, as it has the certificate with TLS. */
export async function encrypted(cipher) {
  const key = await importKeyPair(pem);
  return {
    listen: (accept) =>
      listenNet((stream) => {
        const socket = new EncryptedSocket(stream, { isServer: true, key, cipher });
        // As with TLS: whoever accepts gets a socket whose handshake is done.
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
