// Makes calls and forgets their promises. Prints which of them became unhandled rejections, as
// JSON.
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  codec,
  EncryptedSocket,
  generateKeyPair,
  K4netError,
  LockedSocket,
  QueueSocket,
} from '../../../dist/index.js';

const loud = {};
let current = '';
process.on('unhandledRejection', (reason) => {
  (loud[current] ??= []).push(reason?.code ?? reason?.name ?? String(reason));
});

const key = await generateKeyPair();
const server = createServer({ allowHalfOpen: true });
server.listen(0, '127.0.0.1');
await once(server, 'listening');

/** Two sockets joined by TCP, and what resets the connection. */
async function pair(kind) {
  const accepted = once(server, 'connection');
  const stream = connectTcp(server.address().port, '127.0.0.1');
  const [other] = await accepted;
  stream.on('error', () => undefined);
  other.on('error', () => undefined);
  const [near, far] =
    kind === 'encrypted'
      ? [
          new EncryptedSocket(stream, { key: key.publicKey }),
          new EncryptedSocket(other, { isServer: true, key }),
        ]
      : [new LockedSocket(stream), new LockedSocket(other)];
  if (kind === 'encrypted') await Promise.all([near.handshake(), far.handshake()]);
  return { near, far, cut: () => other.resetAndDestroy() };
}

const types = { ask: codec.request(codec.string, codec.string), note: codec.int32 };
const none = () => undefined;

/** Waits until the socket is gone and everything about it has been reported. */
async function over(socket) {
  await socket.closed;
  await sleep(1);
}

async function check(name, forget) {
  current = name;
  await forget();
  await sleep(1);
}

for (const kind of ['plain', 'encrypted']) {
  const sockets = async (name, forget) => {
    const { near, far, cut } = await pair(kind);
    await check(`${kind}: ${name}`, () => forget(near, cut));
    await Promise.all([near, far].map((each) => each.close(undefined, { timeout: 0 })));
  };
  const queues = async (name, forget) => {
    const { near, far, cut } = await pair(kind);
    const [one, other] = [new QueueSocket(near), new QueueSocket(far)];
    other.registerCallback('fails', () => {
      throw new Error('it fails');
    });
    other.registerCallback('ask', () => new Promise(none));
    one.start();
    other.start();
    await check(`${kind} queue: ${name}`, () => forget(one, cut));
    await Promise.all([one, other].map((each) => each.close(undefined, { timeout: 0 })));
  };
  const aborted = () => ({ signal: AbortSignal.abort(new RangeError('a reason of the program')) });

  await sockets('a cut', async (socket, cut) => {
    void socket.recv();
    void socket.recvText();
    void socket[Symbol.asyncIterator]().next();
    void socket.batches().next();
    void socket.texts().next();
    void socket.recv({ timeout: 0 });
    void socket.recv(aborted());
    void socket.send('x', aborted());
    cut();
    await over(socket);
    void socket.send('gone');
    void socket.flush();
    void socket.end();
    void socket.recv();
    if (kind === 'encrypted') {
      void socket.handshake(aborted());
      void socket.rekey();
      void socket.export('label', new Uint8Array(0), 8);
    }
  });
  await sockets('a wrong message', (socket) => void socket.send(5));
  await sockets('a wrong option', (socket) => void socket.recv({ timeout: -1 }));
  await sockets('a wrong option for text', (socket) => void socket.recvText({ maxSize: 'x' }));
  await sockets('a misspelt option', (socket) => void socket.flush({ timeOut: 5 }));
  await sockets('a send after the end', (socket) => {
    void socket.end();
    void socket.send('late');
  });
  await sockets('a recv of a socket that has an owner', (socket) => {
    new QueueSocket(socket);
    void socket.recv();
    void socket[Symbol.asyncIterator]().next();
    void socket.batches().next();
    void socket.texts().next();
  });

  await queues('a cut', async (queue, cut) => {
    const typed = queue.typed(types);
    void queue.call('ask');
    void queue.call('fails');
    void queue.call('ask', '', { timeout: 0 });
    void queue.call('ask', '', aborted());
    void typed.call('ask', 'x');
    void typed.call('ask', 'x', aborted());
    const abort = new AbortController();
    void typed.call('ask', 'x', { signal: abort.signal });
    abort.abort(new TypeError('a reason of the program'));
    void queue.recv();
    void queue[Symbol.asyncIterator]().next();
    cut();
    await over(queue);
    void queue.send('gone');
    void queue.sendRegistered('gone');
    void queue.call('gone');
    void typed.call('ask', 'x');
    void typed.sendRegistered('note', 5);
    void queue.recvRegistered();
    queue.registerTask('task', none);
    void queue.performTasks();
    void queue.drain();
  });
  await queues('a wrong payload', (queue) => void queue.sendRegistered('x', 5));
  await queues('a wrong name', (queue) => void queue.sendRegistered('', 'x'));
  await queues('a constructor that throws', (queue) => {
    void queue.sendRegistered('x', (writer) => writer.writeUint8(256));
  });
  await queues('a call whose constructor throws', (queue) => {
    void queue.call('x', (writer) => writer.writeUint8(256));
  });
  await queues('a task that throws', (queue) => {
    queue.registerTask('task', (writer) => writer.writeUint8(256));
    void queue.performTasks();
  });
  await queues('constructors and codecs that throw an error of this library', (queue) => {
    const broken = () => {
      throw new K4netError('K4NET_CONNECTION', 'of the program');
    };
    const typed = queue.typed({ ask: codec.request(codec.struct({ part: codec.string }), codec.string) });
    const value = Object.defineProperty({}, 'part', { get: broken, enumerable: true });
    queue.registerTask('task', broken);
    void queue.performTasks();
    void queue.call('x', broken);
    void queue.sendRegistered('x', broken);
    void typed.call('ask', value);
  });
  await queues('a typed message of a wrong type', (queue) => {
    void queue.typed(types).sendRegistered('note', 'text');
  });
  await queues('a typed call of a wrong type', (queue) => void queue.typed(types).call('ask', 5));
  await queues('a typed call with a wrong option', (queue) => {
    void queue.typed(types).call('ask', 'x', { timeout: -1 });
  });
  await check(`${kind} queue: a call before the start`, async () => {
    const { near } = await pair(kind);
    const queue = new QueueSocket(near);
    void queue.call('x');
    void queue.recvRegistered();
    void queue.recv();
    void queue.typed(types).call('ask', 'x');
  });
}
console.log(JSON.stringify(loud));
process.exit(0);
