import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { LockedSocket, memoryPair } from '../../lib/index.js';

const count = 20_000;

/** Two streams in this process that pass chunks on without a copy. */
function joined(): [Duplex, Duplex] {
  const make = (peer: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, callback) => {
        peer().push(chunk);
        callback();
      },
      final: (callback) => {
        peer().push(null);
        callback();
      },
    });
  const one: Duplex = make(() => two);
  const two: Duplex = make(() => one);
  return [one, two];
}

async function tcp(): Promise<[net.Socket, net.Socket]> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [net.Socket];
  server.close();
  return [near, far];
}

test.each([
  ['joined streams', joined],
  ['tcp', tcp],
  ['memory', memoryPair],
])('messages that the program keeps do not change: %s', async (_name, pair) => {
  const [near, far] = (await pair()).map((stream) => new LockedSocket(stream));
  const kept: Uint8Array[] = [];
  const receiving = (async () => {
    for await (const message of far!) kept.push(message);
  })();
  for (let i = 0; i < count; i += 1) await near!.send(`message ${i} ${'.'.repeat(i % 300)}`);
  await near!.end();
  await receiving;
  await near!.close();
  expect(kept.length).toBe(count);
  kept.forEach((message, i) => {
    if (Buffer.from(message).toString() !== `message ${i} ${'.'.repeat(i % 300)}`)
      expect.fail(`message ${i}`);
  });
});
