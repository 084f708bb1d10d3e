// A server in another process, for tests that attack it.
// Usage: node --expose-gc attacked-server.mjs KIND [session], with a channel to the parent process.
// It sends its port. It answers each message of the parent with a ServerReport, see
// spec/support/server-process.ts.
import { setTimeout } from 'node:timers/promises';
import { connect, listen, QueueSocket } from '../../../dist/index.js';

const [kind, withSession] = process.argv.slice(2);
const plain = kind === 'plain';
const local = { port: 0, host: '127.0.0.1' };
const server = await listen({ ...local, ...(plain ? { plain } : { ephemeralKey: true }) });
const megabyte = 1_000_000;
const queues = new Set();
const ends = [];

const memory = () => {
  const { rss, arrayBuffers } = process.memoryUsage();
  return { rss, arrayBuffers };
};
let start;
const most = { rss: 0, arrayBuffers: 0 };
const look = () => {
  const now = memory();
  for (const part of ['rss', 'arrayBuffers']) most[part] = Math.max(most[part], now[part] - start[part]);
};

const answer = () => {
  look();
  return new Uint8Array(megabyte).fill(7);
};

void server.serve(async (socket) => {
  const queue = new QueueSocket(socket, { onError: () => undefined });
  queues.add(queue);
  queue.registerCallback('at once', answer);
  queue.registerCallback('async', async () => answer());
  queue.registerCallback('after a timer', async () => {
    await setTimeout(1);
    return answer();
  });
  queue.registerCallback('never', () => new Promise(() => undefined));
  queue.registerCallback('fails', () => {
    throw new Error('it fails');
  });
  queue.registerCallback('echo', (reader) => reader.read());
  queue.start();
  ends.push((await queue.closed).code);
  queues.delete(queue);
});

/** Milliseconds in which this process ran, without the time of other processes. */
const worked = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const session = { longest: 0, code: undefined };

async function useSession() {
  const own = await listen({ ...local, plain: true });
  const heartbeat = { interval: 250, timeout: 2000 };
  void own.serve(async (socket) => {
    const queue = new QueueSocket(socket, { heartbeat });
    queue.registerCallback('echo', (reader) => reader.read());
    queue.start();
    await queue.closed;
  });
  const queue = new QueueSocket(await connect({ ...own.address(), plain: true }), { heartbeat });
  queue.start();
  void queue.closed.then(({ code }) => (session.code = code));
  for (;;) {
    const [clock, work] = [performance.now(), worked()];
    await queue.call('echo', 'text');
    session.longest = Math.max(session.longest, Math.min(performance.now() - clock, worked() - work));
  }
}

process.on('message', () => {
  look();
  process.send({ stats: [...queues].map((queue) => queue.stats()), most, ends, session });
});
// The counters say how a session ends.
if (withSession) void useSession().catch(() => undefined);
global.gc();
start = memory();
process.send({ port: server.address().port, fingerprint: plain ? undefined : server.fingerprint });
