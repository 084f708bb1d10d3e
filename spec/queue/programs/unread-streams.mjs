// A hostile peer opens as many calls with a body as it may, and spends all credit of each. Each
// callback waits for one item, and takes no more. Prints the memory that the items use, and the
// bytes that they count.
// Usage: node --expose-gc unread-streams.mjs SIZE_OF_AN_ITEM
import { setImmediate as turn } from 'node:timers/promises';
import { LockedSocket, memoryPair, QueueSocket } from '../../../dist/index.js';

const size = Number(process.argv[2]);
const streams = 64;
const window = 256 * 1024;
const [peer, socket] = memoryPair().map((end) => new LockedSocket(end));
const queue = new QueueSocket(socket);
let waiting = 0;
queue.registerCallback('put', async (_, { body }) => {
  waiting += 1;
  await body.next();
  await new Promise(() => undefined);
});
queue.start();

function message(type, id, rest) {
  const bytes = Buffer.alloc(8 + rest.length);
  bytes.set([0, 0x4b, 0x51, type]);
  bytes.writeUInt32LE(id, 4);
  bytes.set(rest, 8);
  return bytes;
}
const used = async () => {
  for (let n = 0; n < 4; n += 1) {
    global.gc();
    await turn();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

const open = Buffer.from([1, 0, 4, 0, 0, ...Buffer.from('put\0')]);
for (let id = 1; id <= streams; id += 1) await peer.send(message(6, id, open));
while (waiting < streams) await turn();
for (let n = 0; n < 20; n += 1) await turn();
const before = await used();
const item = Buffer.alloc(size, 7);
const count = Math.floor(window / (size + 64));
for (let id = 1; id <= streams; id += 1) {
  for (let n = 0; n < count; n += 1) await peer.send(message(7, id, item));
}
while (queue.stats().itemsReceived < streams * count) await turn();
for (let n = 0; n < 20; n += 1) await turn();
console.log(
  JSON.stringify({
    memory: (await used()) - before,
    counted: streams * (count - 1) * (size + 64),
    limit: streams * window,
    open: queue.stats().streams,
  }),
);
process.exit(0);
