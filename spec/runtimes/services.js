// The server side of ./cases.js, for every runtime and carrier. The first message of a connection
// names the service that it wants.
//
// A carrier is a function (options, address?) => Promise<{ server, address }>. It makes a server of
// k4net with these options. With an address, it listens where a closed server has listened.
import { bytesOf, typedMessages } from './cases.js';

/**
 * Starts an encrypted and a plain server for each carrier. Resolves with what clients need to know,
 * and with a function that closes everything.
 */
export async function startServers(k4net, carriers) {
  const key = await k4net.generateKeyPair({ keySize: 2048 });
  const servers = [];
  const described = { fingerprint: key.fingerprint, carriers: {} };
  for (const [name, open] of Object.entries(carriers)) {
    const services = makeServices(k4net, open, key);
    const encrypted = {
      ...common,
      key,
      clientAuth: 'wanted',
      authorize: ({ serverName }) => serverName !== 'refuses',
    };
    const addresses = {};
    for (const [kind, options] of Object.entries({ main: encrypted, plain: { ...common, plain: true } })) {
      const { server, address } = await open(options);
      servers.push({ server, served: server.serve(handlerOf(services)) });
      addresses[kind] = address;
    }
    described.carriers[name] = addresses;
  }
  return {
    described,
    async close() {
      await Promise.all(servers.map(({ server }) => server.close({ timeout: 0 })));
      await Promise.all(servers.map(({ served }) => served));
    },
  };
}

/** Failures of connections are part of the cases, and the client reports what it did not expect. */
const common = { allowHalfOpen: true, onError: () => undefined };

function handlerOf(services) {
  return async (socket) => {
    const first = await socket.recvText().catch(() => undefined);
    if (first === undefined) return;
    const [service, argument] = first.split(' ');
    await services[service](socket, argument);
  };
}

function makeServices(k4net, open, key) {
  const { QueueSocket } = k4net;
  /** For each token, a promise that lets its connection read. Either side may ask first. */
  const gates = new Map();
  const gate = (token) => {
    if (!gates.has(token)) {
      let open;
      const opened = new Promise((resolve) => (open = resolve));
      gates.set(token, { open, opened });
    }
    return gates.get(token);
  };
  const echo = async (socket) => {
    for await (const message of socket) await socket.send(message);
  };
  return {
    echo,
    async late(socket) {
      let count = 0;
      for await (const message of socket) count += message.length / 10_000;
      for (let i = 0; i < count; i += 1) await socket.send(bytesOf(10_000));
    },
    cut: (socket) => socket.close(undefined, { timeout: 0 }),
    who: (socket) => socket.send(`${socket.peer.how} ${socket.peer.fingerprint}`),
    async deaf(socket, token) {
      await gate(token).opened;
      gates.delete(token);
      let total = 0;
      for await (const message of socket) total += message.length;
      await socket.send(`${total}`);
    },
    hear: (_, token) => gate(token).open(),
    async export(socket) {
      await socket.send(await socket.export('runtimes', new Uint8Array(1), 32));
      await echo(socket);
    },
    async calls(socket) {
      const queue = new QueueSocket(socket, { onError: () => undefined });
      queue.registerCallback('quadruple', async (reader) => {
        const value = reader.readInt();
        const answer = await queue.call('double', (writer) => writer.writeInt(value * 2));
        return answer.read();
      });
      queue.registerCallback('fails', () => {
        throw Object.assign(new Error('broken'), { code: 'BROKEN' });
      });
      queue.start();
      await queue.closed;
    },
    async typed(socket) {
      const queue = new QueueSocket(socket, { onError: () => undefined });
      const mirrored = ({ x, y }) => ({ x: -x, y: -y });
      queue.typed(typedMessages(k4net)).registerCallback('mirror', mirrored);
      queue.start();
      await queue.closed;
    },
    silent: (socket) => socket.closed,
    /** A server that takes one connection and never hands it to anybody. */
    async busy(socket) {
      const onError = (error) => {
        if (error.code === 'K4NET_BUSY') void socket.send('refused').catch(() => undefined);
      };
      const { server, address } = await open({ ...common, key, maxPending: 1, onError });
      await socket.send(JSON.stringify(address));
      await socket.closed;
      await server.close({ timeout: 0 });
    },
    /** A server that closes and starts again when the client says so. */
    async restart(socket) {
      const start = async (at) => {
        const { server, address } = await open({ ...common, key }, at);
        return { address, server, served: server.serve(handlerOf({ echo })) };
      };
      let current = await start();
      try {
        await socket.send(JSON.stringify(current.address));
        for await (const command of socket.texts()) {
          if (command === 'down') {
            await current.server.close({ timeout: 0 });
            await current.served;
            await socket.send('down');
          } else {
            current = await start(current.address);
          }
        }
      } finally {
        await current.server.close({ timeout: 0 });
      }
    },
  };
}
