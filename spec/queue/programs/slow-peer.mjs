// A peer in a process of its own that takes its time.
// Usage: node --expose-gc slow-peer.mjs KIND PORT OPTIONS (of the QueueSocket, as JSON)
import { once } from 'node:events';
import { connect } from 'node:net';
import { EncryptedSocket, LockedSocket, QueueSocket } from '../../../dist/index.js';

const [kind, port, options] = process.argv.slice(2);
const stream = connect(Number(port), '127.0.0.1');
await once(stream, 'connect');
const socket =
  kind === 'encrypted'
    ? new EncryptedSocket(stream, { insecureAcceptAnyKey: true })
    : new LockedSocket(stream);
const queue = new QueueSocket(socket, JSON.parse(options));
const most = { messages: 0, bytes: 0, arrayBuffers: 0 };
let next = 0;
let wrong = 0;

/** Stops this process, its clock and its ears, for so many milliseconds. */
const block = (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

queue.registerCallback('work', async (reader) => {
  if (reader.readUint() !== next) wrong += 1;
  next += 1;
  const { callbackQueue } = queue.stats();
  most.messages = Math.max(most.messages, callbackQueue.messages);
  most.bytes = Math.max(most.bytes, callbackQueue.bytes);
  if (next % 100 === 0) {
    global.gc();
    most.arrayBuffers = Math.max(most.arrayBuffers, process.memoryUsage().arrayBuffers);
  }
  await new Promise((resolve) => (next % 50 === 0 ? setTimeout(resolve, 1) : setImmediate(resolve)));
});
// As a message, in its place among the work, and as a request.
queue.registerCallback('block', (reader) => void block(reader.readUint()));
queue.registerCallback('report', () => JSON.stringify({ next, wrong, most }));
queue.registerCallback('never', () => new Promise(() => undefined));
queue.start();
await queue.closed;
