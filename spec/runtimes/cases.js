// The cases that every runtime passes, as a client of a server that runs ./services.js. They need
// no test runner and only the APIs of the web, so a page can run them too.
//
// An environment has these properties:
//
//     k4net        the module
//     open         (address, options) => Promise<socket>: connects
//     main, plain  the addresses of the server's encrypted and plain sockets
//     fingerprint  of the server's key
//     missing      [call, text in the error] of APIs that the runtime lacks
const caseTimeout = 30_000;
/** A send that takes longer than this waits for the peer. */
const patience = 300;
const backpressureLimit = 34_000_000;

/** Runs the cases one after the other. Resolves with what passed and failed. */
export async function runCases(env) {
  const report = { passed: 0, failed: [] };
  for (const [name, run] of cases) {
    const sockets = [];
    try {
      await within(caseTimeout, run(inCase(env, sockets)));
      report.passed += 1;
    } catch (error) {
      report.failed.push({ name, error: describe(error) });
    }
    // A case that failed leaves its sockets open, and they would keep the process alive.
    await Promise.all(sockets.map((socket) => socket.close(undefined, { timeout: 0 })));
  }
  return report;
}

/** The environment with the helpers that the cases use. */
function inCase(env, sockets) {
  const pinned = { pin: env.fingerprint };
  const open = async (address, options) => {
    const socket = await env.open(address, options);
    sockets.push(socket);
    return socket;
  };
  return {
    ...env,
    open,
    pinned,
    /** An encrypted socket whose peer runs the service. */
    async talkTo(service, options) {
      const socket = await open(env.main, { ...pinned, ...options });
      await socket.send(service);
      return socket;
    },
    fails: (promise, ...codes) => fails(env.k4net, promise, codes),
  };
}

const cases = [
  [
    'a server is known by its pin',
    async ({ open, main, pinned, fingerprint }) => {
      const socket = await open(main, pinned);
      equal(socket.peer.how, 'pin');
      equal(socket.peer.authenticated, true);
      equal(socket.peer.fingerprint, fingerprint);
      await socket.close();
    },
  ],
  [
    'messages of all sizes come back, and the end is clean',
    async ({ talkTo }) => {
      const socket = await talkTo('echo');
      for (const size of [0, 1, 1000, 65_536, 300_000, 3_000_000]) {
        const sent = bytesOf(size);
        const sending = socket.send(sent);
        same(await socket.recv(), sent);
        await sending;
      }
      await socket.close('bye');
      equal((await socket.closed).code, 'K4NET_CLOSED');
    },
  ],
  [
    'a thousand messages in flight keep their order',
    async ({ talkTo }) => {
      const socket = await talkTo('echo');
      const sending = Array.from({ length: 1000 }, (_, i) => socket.send(`${i}`));
      for (let i = 0; i < 1000; i += 1) equal(await socket.recvText(), `${i}`);
      await Promise.all(sending);
      await socket.close();
    },
  ],
  [
    'a half-close leaves the other direction open',
    async ({ talkTo }) => {
      const socket = await talkTo('late');
      for (let i = 0; i < 100; i += 1) await socket.send(bytesOf(10_000));
      await socket.end();
      let count = 0;
      for await (const message of socket) {
        same(message, bytesOf(10_000));
        count += 1;
      }
      equal(count, 100);
      equal((await socket.closed).code, 'K4NET_CLOSED');
    },
  ],
  [
    'a cut by the peer is an error with a code',
    async ({ talkTo, fails }) => {
      const codes = ['K4NET_CONNECTION', 'K4NET_TRUNCATED'];
      const socket = await talkTo('cut');
      await fails(socket.recv(), ...codes);
      oneOf((await socket.closed).code, codes);
    },
  ],
  [
    'a wrong pin is refused',
    async ({ open, main, fails }) => {
      const wrong = `sha256:${'0'.repeat(64)}`;
      await fails(open(main, { pin: wrong }), 'K4NET_KEY_MISMATCH');
    },
  ],
  [
    'a first use stores the key, and later that key is expected',
    async ({ k4net, open, main }) => {
      const knownHosts = k4net.memoryKnownHosts();
      for (const how of ['first-use', 'known-hosts']) {
        const socket = await open(main, { knownHosts, serverName: 'known' });
        equal(socket.peer.how, how);
        await socket.close();
      }
    },
  ],
  [
    'a client shows its key, and the server decides about it',
    async ({ k4net, talkTo, fails }) => {
      const clientKey = await k4net.generateKeyPair({ type: 'p256' });
      const socket = await talkTo('who', { clientKey });
      equal(await socket.recvText(), `client-key ${clientKey.fingerprint}`);
      await socket.close();
      const refused = talkTo('who', { clientKey, serverName: 'refuses' });
      await fails(refused, 'K4NET_PEER_ALERT');
    },
  ],
  [
    'a P-256 key that is not on the curve is malformed',
    async ({ k4net, fails }) => {
      const spki = Uint8Array.from([
        ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06],
        ...[0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04],
        ...new Array(64).fill(1),
      ]);
      await fails(k4net.importPublicKey(spki), 'K4NET_MALFORMED');
    },
  ],
  [
    'a peer that does not read makes send wait',
    async ({ talkTo }) => {
      const token = `${Math.random()}`;
      const socket = await talkTo(`deaf ${token}`);
      const block = bytesOf(65_536);
      let sent = 0;
      let sending;
      do {
        sending = socket.send(block);
        sent += block.length;
        if (sent > backpressureLimit) throw new Error(`send never waits: ${sent} bytes are gone`);
      } while (await settles(sending, patience));
      const other = await talkTo(`hear ${token}`);
      await sending;
      await socket.end();
      equal(await socket.recvText(), `${sent}`);
      await Promise.all([socket.close(), other.close()]);
    },
  ],
  [
    'a wait that ends early loses no message',
    async ({ talkTo, fails }) => {
      const socket = await talkTo('echo');
      await fails(socket.recv({ timeout: 5 }), 'K4NET_TIMEOUT');
      const stop = new AbortController();
      const reason = new Error('stopped');
      const waiting = socket.recv({ signal: stop.signal });
      stop.abort(reason);
      equal(await waiting.catch((error) => error), reason);
      const sending = Array.from({ length: 20 }, (_, i) => socket.send(`${i} ${'-'.repeat(100_000)}`));
      for (let i = 0; i < 20;) {
        const text = await socket.recvText({ timeout: 0 }).catch(() => undefined);
        if (text === undefined) await pause(1);
        else equal(text.split(' ')[0], `${i++}`);
      }
      await Promise.all(sending);
      await socket.close();
    },
  ],
  [
    'rekeying, padding and exported secrets work',
    async ({ talkTo }) => {
      const socket = await talkTo('export', { padding: 'padme' });
      const exported = await socket.export('runtimes', new Uint8Array(1), 32);
      same(await socket.recv(), exported);
      for (let i = 0; i < 5; i += 1) {
        await socket.send(bytesOf(1000 * i));
        same(await socket.recv(), bytesOf(1000 * i));
        await socket.rekey();
      }
      await socket.close();
    },
  ],
  [
    'both sides call each other',
    async ({ k4net, talkTo }) => {
      const queue = new k4net.QueueSocket(await talkTo('calls'));
      queue.registerCallback('double', (reader) => {
        const value = reader.readInt();
        return (writer) => writer.writeInt(value * 2);
      });
      queue.start();
      const answers = Array.from({ length: 50 }, async (_, i) => {
        const answer = await queue.call('quadruple', (writer) => writer.writeInt(i));
        return answer.readInt();
      });
      equal(`${await Promise.all(answers)}`, `${answers.map((_, i) => 4 * i)}`);
      const error = await queue.call('fails').catch((reason) => reason);
      equal(error.remoteCode, 'BROKEN');
      await queue.close();
    },
  ],
  [
    'plain sockets carry every byte',
    async ({ open, plain }) => {
      const socket = await open(plain, { plain: true });
      await socket.send('echo');
      for (const size of [0, 1, 256, 300_000]) {
        const sent = bytesOf(size);
        const sending = socket.send(sent);
        same(await socket.recv(), sent);
        await sending;
      }
      await socket.close();
      equal((await socket.closed).code, 'K4NET_CLOSED');
    },
  ],
  [
    'a URL that means nothing is a TypeError',
    async ({ k4net }) => {
      const wrong = [
        'http://localhost/',
        'ws://user:password@localhost/',
        'wss://localhost/#fragment',
        'tcp://localhost',
        'tcp://localhost:1/path',
        'unix:',
      ];
      for (const url of wrong) {
        const error = await k4net.connect(url, { plain: true }).catch((reason) => reason);
        if (!(error instanceof TypeError)) throw new Error(`${url}: ${error}`);
      }
    },
  ],
  [
    'what the runtime lacks is an error that names a way out',
    async ({ missing, fails }) => {
      for (const [call, text] of missing) {
        const error = await fails(
          // A call may also throw.
          Promise.resolve().then(call),
          'K4NET_UNSUPPORTED',
        );
        if (!error.message.includes(text)) throw new Error(`no '${text}' in: ${error.message}`);
      }
    },
  ],
  [
    'a busy server refuses, and a retry succeeds when it has room',
    async ({ talkTo, open, pinned, fails }) => {
      const control = await talkTo('busy');
      const address = JSON.parse(await control.recvText());
      const first = await open(address, pinned);
      const error = await fails(open(address, { ...pinned, retry: false }), 'K4NET_PEER_ALERT');
      equal(error.reason, 'busy');
      equal(await control.recvText(), 'refused');
      const retry = { retries: 1000, minDelay: 20, maxDelay: 50 };
      const later = open(address, { ...pinned, retry });
      equal(await control.recvText(), 'refused');
      await first.close(undefined, { timeout: 0 });
      await (await later).close(undefined, { timeout: 0 });
      await control.close(undefined, { timeout: 0 });
    },
  ],
  [
    'a client notices that the server is gone, and connects again',
    async ({ talkTo, open, pinned }) => {
      const control = await talkTo('restart');
      const address = JSON.parse(await control.recvText());
      const first = await open(address, pinned);
      await first.send('echo');
      await control.send('down');
      // A server that closes sends an alert if it still can.
      const codes = ['K4NET_CONNECTION', 'K4NET_TRUNCATED', 'K4NET_PEER_ALERT'];
      oneOf((await first.closed).code, codes);
      equal(await control.recvText(), 'down');
      const retry = { retries: 1000, minDelay: 20, maxDelay: 50 };
      const again = open(address, { ...pinned, retry });
      await control.send('up');
      const second = await again;
      await second.send('echo');
      await second.send('hello again');
      equal(await second.recvText(), 'hello again');
      await second.close();
      await control.close();
    },
  ],
  [
    'a heartbeat finds a peer that is silent',
    async ({ k4net, talkTo }) => {
      const socket = await talkTo('silent');
      const queue = new k4net.QueueSocket(socket, { heartbeat: { interval: 30, timeout: 120 } });
      queue.start();
      equal((await queue.closed).code, 'K4NET_TIMEOUT');
    },
  ],
  [
    'typed messages are checked on both sides',
    async ({ k4net, talkTo, fails }) => {
      const queue = new k4net.QueueSocket(await talkTo('typed'));
      const typed = queue.typed(typedMessages(k4net));
      queue.start();
      const point = await typed.call('mirror', { x: 1, y: -2 });
      equal(JSON.stringify(point), '{"x":-1,"y":2}');
      const wrong = queue.call('mirror', new Uint8Array(1));
      equal((await fails(wrong, 'K4NET_REMOTE')).remoteCode, 'K4NET_DECODE');
      await queue.close();
    },
  ],
];

export function typedMessages({ codec }) {
  const point = codec.struct({ x: codec.int32, y: codec.int32 });
  return { mirror: codec.request(point, point) };
}

export function bytesOf(size) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) bytes[i] = i + (i >> 8);
  return bytes;
}

function equal(actual, expected) {
  if (actual !== expected) throw new Error(`${actual} is not ${expected}`);
}

function oneOf(actual, expected) {
  if (!expected.includes(actual)) throw new Error(`${actual} is none of ${expected}`);
}

function same(actual, expected) {
  equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i += 1) {
    if (actual[i] !== expected[i]) throw new Error(`byte ${i} of ${actual.length} differs`);
  }
}

/** Resolves with the error, which must have one of the codes. */
async function fails({ K4netError }, promise, codes) {
  const error = await promise.then(
    () => {
      throw new Error(`succeeded, expected ${codes}`);
    },
    (reason) => reason,
  );
  if (!codes.some((code) => K4netError.is(error, code))) throw error;
  return error;
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Whether the promise settles in that time. */
async function settles(promise, milliseconds) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function within(milliseconds, promise) {
  if (await settles(promise, milliseconds)) return;
  throw new Error(`is not done after ${milliseconds} ms`);
}

function describe(error) {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : ` <- ${describe(error.cause)}`;
  const place = /cases\.js:\d+/.exec(error.stack ?? '')?.[0] ?? '';
  return `${error.code ?? error.name}: ${error.message} ${place}${cause}`;
}
