import { once } from 'node:events';
import net from 'node:net';

const build = process.env.K4NET_BENCH_BUILD ?? new URL('../../dist/', import.meta.url).href;
const { EncryptedSocket, generateKeyPair } = await import(new URL('index.js', build).href);

/** An EncryptedSocket with one of the two ciphers. Whose key it is makes no difference to the speed. */
export function encryptedContestant(cipher) {
  return {
    async listen(accept) {
      const key = await generateKeyPair();
      const server = net.createServer((stream) => {
        accept(new EncryptedSocket(stream, { isServer: true, key, cipher }));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { port: server.address().port };
    },
    async connect(port) {
      const stream = net.connect(port, '127.0.0.1');
      await once(stream, 'connect');
      const socket = new EncryptedSocket(stream, { insecureAcceptAnyKey: true, cipher });
      await socket.handshake();
      return socket;
    },
    close: (socket) => socket.close(),
  };
}
