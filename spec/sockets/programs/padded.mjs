// Receives one-byte messages in padded records from another process, first some that it reads and
// then as many unread ones as its receive buffer takes, and prints what they cost: a line of JSON.
// Usage: node --expose-gc padded.mjs CIPHER PADDING
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { EncryptedSocket, generateKeyPair } from '../../../dist/index.js';

const [cipher, padding] = process.argv.slice(2);
const read = 300;
const unread = 2000;
const frame = 5;

const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
await once(server, 'listening');
const accepted = once(server, 'connection');
const peer = fork(fileURLToPath(new URL('padded-peer.mjs', import.meta.url)), [
  String(server.address().port),
  padding,
  String(read + unread),
]);
const [stream] = await accepted;
const sock = new EncryptedSocket(stream, { key: await generateKeyPair(), isServer: true, cipher });

/** Memory after garbage collection. Finalizers release buffers in a later turn. */
async function memory() {
  for (let round = 0; round < 3; round += 1) {
    global.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage();
}

// The same traffic warms up the allocator, so that the difference is the unread messages.
for (let i = 0; i < read; i += 1) await sock.recv();
const before = await memory();
// Reading stops when the receive buffer is full: a message costs its bytes and 128.
const most = Math.ceil((256 * 1024) / (frame + 128));
const held = () => sock.stats().bytesReceived / frame - read;
while (held() < most) await new Promise((resolve) => setImmediate(resolve));
const after = await memory();
const growth = (kind) => after[kind] - before[kind];
console.log(JSON.stringify({ held: held(), rss: growth('rss'), external: growth('external') }));
await sock.close(undefined, { timeout: 0 });
await once(peer, 'exit');
server.close();
