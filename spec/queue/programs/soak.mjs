// Makes calls of every kind over real TCP until they are all settled, cuts the connections, and
// says what is left of it all: a line of JSON. Usage: node --expose-gc soak.mjs KIND CALLS
// IN_FLIGHT CONNECTIONS
import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { createServer, connect } from 'node:net';
import {
  EncryptedSocket,
  generateKeyPair,
  K4netError,
  LockedSocket,
  QueueSocket,
  RemoteError,
  TimeoutError,
} from '../../../dist/index.js';

const [kind, ...numbers] = process.argv.slice(2);
const [calls, inFlight, connections] = numbers.map(Number);
const key = kind === 'encrypted' ? await generateKeyPair({ keySize: 2048 }) : undefined;

/** mulberry32, as in spec/support/random.ts. */
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  below(limit) {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const delay = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function pair() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const near = connect(server.address().port, '127.0.0.1');
  await once(near, 'connect');
  const [far] = await accepted;
  server.close();
  if (!key) return { near, sockets: [new LockedSocket(near), new LockedSocket(far)] };
  const client = new EncryptedSocket(near, { key: key.publicKey });
  return { near, sockets: [client, new EncryptedSocket(far, { key, isServer: true })] };
}

/** The answer to a request: nothing that another request could have got. */
const answerOf = (number, length) => {
  const bytes = Buffer.alloc(8 + length, number & 0xff);
  bytes.writeUInt32LE(number, 0);
  bytes.writeUInt32LE(Math.imul(number, 2654435761) >>> 0, 4);
  return bytes;
};

/** Callbacks that answer at once, later, or never; and what has become of them. */
function serve(queue, tally) {
  const names = {
    now: (number, length) => answerOf(number, length),
    turns: async (number, length) => {
      for (let left = number % 4; left > 0; left -= 1) await turn();
      return answerOf(number, length);
    },
    delayed: async (number, length) => {
      await delay(number % 5);
      return answerOf(number, length);
    },
    throws: (number) => {
      throw Object.assign(new Error(`no ${number}`), { code: 'E_SOAK' });
    },
    // Until nobody waits for the answer any more.
    held: (number, length, { signal }) =>
      new Promise((resolve) => {
        assert.equal(signal.aborted, false);
        tally.held += 1;
        signal.addEventListener('abort', () => {
          tally.letGo += 1;
          resolve('too late');
        });
      }),
  };
  for (const [name, answer] of Object.entries(names)) {
    const callback = (reader, context) => {
      tally.begun += 1;
      const result = answer(reader.readUint(), reader.readUint(), context);
      if (!(result instanceof Promise)) tally.ended += 1;
      else void result.then(() => (tally.ended += 1));
      return result;
    };
    queue.registerCallback(name, (reader, context) => {
      try {
        return callback(reader, context);
      } catch (error) {
        tally.ended += 1;
        throw error;
      }
    });
  }
}

/** A signal that many calls share, until it aborts and the next takes its place. */
class Shared {
  all = [];

  constructor() {
    this.next();
  }

  get signal() {
    return this.controller.signal;
  }

  next() {
    this.controller?.abort('shared');
    this.controller = new AbortController();
    this.all.push(this.controller.signal);
  }
}

/** Makes so many calls over one connection, so many at a time; the last of them meet a cut. */
async function connection(seed, count, tally) {
  const random = new Random(seed);
  const { near, sockets } = await pair();
  const [client, server] = sockets.map(
    (socket) => new QueueSocket(socket, { requestConcurrency: 256, onError: () => undefined }),
  );
  serve(client, tally);
  serve(server, tally);
  client.start();
  server.start();
  const shared = new Shared();
  const cutAt = Math.floor(0.7 * count) + random.below(Math.floor(0.25 * count));
  let made = 0;
  let cut = false;

  const one = async () => {
    const number = (made += 1);
    // Most go one way, as a client's do, and some the other.
    const from = random.below(5) === 0 ? server : client;
    const length = random.below(20) === 0 ? random.below(5000) : random.below(60);
    const payload = (writer) => writer.writeUintArray([number, length]);
    const sort = random.below(100);
    const name =
      sort < 35 ? 'now' : sort < 65 ? 'turns' : sort < 85 ? 'delayed' : sort < 90 ? 'throws' : 'held';
    const options = {};
    let own;
    const patience = name === 'held' ? random.below(3) : random.below(12);
    // One that is held waits for nothing else; of the others some are in a race with their answer.
    if (patience === 0) options.timeout = 1 + random.below(8);
    if (patience === 1) options.signal = shared.signal;
    if (patience === 2) {
      own = new AbortController();
      options.signal = own.signal;
      const turns = random.below(6);
      void (async () => {
        for (let left = turns; left > 0; left -= 1) await turn();
        own.abort('own');
      })();
    }
    const call = from.call(name, payload, options).then(
      (reader) => ({ reader }),
      (error) => ({ error }),
    );
    const pending = client.stats().callsInFlight + server.stats().callsInFlight;
    tally.mostPending = Math.max(tally.mostPending, pending);
    const outcome = await call;
    tally.settled += 1;
    if (number % 5000 === 0) shared.next();
    if (made >= cutAt && !cut) {
      cut = true;
      near.resetAndDestroy();
    }
    const { reader, error } = outcome;
    if (reader) {
      assert.ok(name !== 'throws' && name !== 'held', name);
      assert.deepEqual(Buffer.from(reader.read()), answerOf(number, length));
      tally.answered += 1;
    } else if (error instanceof RemoteError) {
      assert.deepEqual(
        [name, error.remoteCode, error.message.includes(`no ${number}`)],
        ['throws', 'E_SOAK', true],
      );
      tally.failed += 1;
    } else if (error === 'shared' || error === 'own') {
      assert.equal(error, patience === 1 ? 'shared' : 'own');
      assert.equal(options.signal.aborted, true);
      tally.aborted += 1;
    } else if (error instanceof TimeoutError) {
      assert.equal(patience, 0);
      tally.timedOut += 1;
    } else {
      assert.ok(K4netError.is(error, 'K4NET_CONNECTION'), String(error));
      assert.ok(cut, 'before the cut');
      tally.cut += 1;
    }
    if (own) assert.equal(getEventListeners(own.signal, 'abort').length, 0);
  };

  const worker = async () => {
    while (made < count) await one();
  };
  // Sometimes aborts a shared signal: nothing else ends the calls that are held.
  let working = true;
  const giveUp = (async () => {
    while (working) {
      for (let left = 20; left > 0; left -= 1) await turn();
      assert.ok(getEventListeners(shared.signal, 'abort').length <= 2);
      shared.next();
    }
  })();
  await Promise.all(Array.from({ length: inFlight }, worker));
  working = false;
  await giveUp;
  const ends = await Promise.all([client.closed, server.closed]);
  assert.deepEqual(
    ends.map(({ code }) => code),
    ['K4NET_CONNECTION', 'K4NET_CONNECTION'],
  );
  while (tally.ended < tally.begun) await turn();
  for (const signal of shared.all) assert.equal(getEventListeners(signal, 'abort').length, 0);
  for (const queue of [client, server]) {
    const { callsInFlight, requestsInFlight, requestQueue, sendQueue } = queue.stats();
    assert.deepEqual(
      { callsInFlight, requestsInFlight, requestQueue, sendQueue },
      {
        callsInFlight: 0,
        requestsInFlight: 0,
        requestQueue: { messages: 0, bytes: 0 },
        sendQueue: 0,
      },
    );
  }
}

const newTally = () => ({
  begun: 0,
  ended: 0,
  held: 0,
  letGo: 0,
  settled: 0,
  answered: 0,
  failed: 0,
  aborted: 0,
  timedOut: 0,
  cut: 0,
  mostPending: 0,
});

/** What is in use when nothing is under way. */
async function memory() {
  for (let round = 0; round < 4; round += 1) {
    await turn();
    global.gc();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heapUsed, arrayBuffers };
}

const resources = () =>
  process
    .getActiveResourcesInfo()
    .filter((each) => /Timeout|Immediate|TCP/.test(each))
    .sort();

// What is made once stays: code, tables, the pools of the buffers.
const before = resources();
for (let seed = 1; seed <= 2; seed += 1) await connection(seed, 4 * inFlight, newTally());
const baseline = await memory();
const tally = newTally();
const started = performance.now();
for (let i = 0; i < connections; i += 1) await connection(100 + i, calls / connections, tally);
const milliseconds = Math.round(performance.now() - started);
// Handles of closed sockets go a turn or two later.
let after = resources();
for (let left = 1000; left > 0 && after.join() !== before.join(); left -= 1) {
  await turn();
  after = resources();
}
console.log(JSON.stringify({ tally, before, after, baseline, memory: await memory(), milliseconds }));
