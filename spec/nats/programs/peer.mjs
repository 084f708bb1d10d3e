// An instance of the service `orders` or a client of it, in a process of its own. Its argument is
// JSON: see spec/support/nats-peer.ts. It answers each command of its parent.
import { connect } from '@nats-io/transport-node';

const { role, servers, library, key, pin, behaviour, options } = JSON.parse(process.argv[2]);
const { connectNats, listenNats } = await import(library);
const nc = await connect({
  servers,
  noRandomize: true,
  reconnectTimeWait: 50,
  reconnectJitter: 10,
  maxReconnectAttempts: -1,
});

let read;
const reading = new Promise((resolve) => {
  read = resolve;
});
let sum = 0;
let summed;
const readAll = new Promise((resolve) => {
  summed = resolve;
});

const behaviours = {
  async echo(socket) {
    for await (const message of socket) await socket.send(message);
  },
  async length(socket) {
    for await (const { length } of socket) await socket.send(String(length));
  },
  /** Reads when its parent says so. The parent gets the sum of one session. */
  async stopped(socket) {
    await reading;
    for await (const { length } of socket) sum += length;
    summed();
  },
};

let server;
const sessions = [];
/** Opens sessions, 32 at a time. */
async function open(count) {
  let left = count;
  const openSome = async () => {
    while (left > 0) {
      left -= 1;
      const session = await connectNats(nc, 'orders', { pin, timeout: 30_000, ...options });
      await session.send('hello');
      sessions.push(session);
    }
  };
  await Promise.all(Array.from({ length: 32 }, openSome));
}

if (role === 'instance') {
  server = await listenNats(nc, 'orders', { key, onError: () => undefined, ...options });
  void server.serve(async (socket, { signal }) => {
    signal.addEventListener('abort', () => void socket.close());
    await behaviours[behaviour](socket);
  });
} else {
  await open(1);
}

const commands = {
  open,
  block: (milliseconds) => {
    // The answer goes out before.
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds));
  },
  read: async () => {
    read();
    await readAll;
    return sum;
  },
  server: () => nc.getServer(),
  sessions: () => server.connections,
  memory: () => {
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, used: heapUsed + external };
  },
  close: async () => {
    await server.close();
    await nc.drain();
  },
};
process.on('message', async ([name, value]) => {
  process.send([name, (await commands[name](value)) ?? null], () => {
    if (name === 'close') process.disconnect();
  });
});
process.send(['ready', server?.id ?? '']);
