import { build, serverKey } from './library.js';
import { connectNatsServer, listenNatsServer } from './transports/nats.js';

const { connectNats, listenNats } = await import(new URL('nats/index.js', build).href);

function overNats(serverOptions, clientOptions) {
  return {
    async listen(accept) {
      const { nc, port } = await listenNatsServer();
      const server = await listenNats(nc, 'bench', serverOptions);
      void server.serve((socket) => {
        accept(socket);
        return socket.closed;
      });
      return { port };
    },
    connect: async (port) => connectNats(await connectNatsServer(port), 'bench', clientOptions),
    close: (socket) => socket.close(),
  };
}

/** Plain sockets over a nats-server. */
export const natsPlain = overNats({ plain: true }, { plain: true });

const key = await serverKey();

/** Encrypted sockets over a nats-server. */
export const natsEncrypted = overNats({ key }, { pin: key.fingerprint });
