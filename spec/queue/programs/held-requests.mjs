// Prints what a request that is held costs in memory, and what it counts, in bytes.
// Usage: node --expose-gc held-requests.mjs NAME_LENGTH PAYLOAD_LENGTH
import { setImmediate as turn } from 'node:timers/promises';
import { LockedSocket, memoryPair, QueueSocket } from '../../../dist/index.js';

const [nameLength, size] = process.argv.slice(2).map(Number);
const count = 20_000;
const [peer, held] = memoryPair().map((end) => new LockedSocket(end));
const queue = new QueueSocket(held, { dispatch: 'manual', maxQueuedBytes: 1e9, maxQueuedMessages: 1e9 });
queue.start();

const request = Buffer.alloc(9 + nameLength + size, 'n');
request.set([0, 0x4b, 0x51, 1]);
request[8 + nameLength] = 0;
let sent = 0;
async function send(more) {
  for (const end = sent + more; sent < end; sent += 1) {
    request.writeUInt32LE(sent, 4);
    await peer.send(request.slice());
  }
  while (queue.stats().requestsInFlight < sent) await turn();
}
const used = () => {
  global.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

await send(2000);
const before = used();
const counted = queue.stats().requestQueue.bytes;
await send(count);
const cost = (used() - before) / count;
console.log(JSON.stringify({ cost, counted: (queue.stats().requestQueue.bytes - counted) / count }));
process.exit(0);
