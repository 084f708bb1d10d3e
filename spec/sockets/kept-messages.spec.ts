import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { LockedSocket, memoryPair } from '../../lib/index.js';
import { needDist, run } from '../support/dist.js';

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

it.each([
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

beforeAll(needDist);

const program = fileURLToPath(new URL('programs/padded.mjs', import.meta.url));
const mib = 1024 * 1024;

interface Figures {
  readonly held: number;
  readonly external: number;
  readonly rss: number;
}

// Without the copies of the decoder, these messages keep 70 MiB (node) and 490 MiB (webcrypto).
it.each(['node', 'webcrypto'])(
  'unread one-byte messages keep no padding in memory with the %s cipher',
  async (cipher) => {
    const { code, out, err } = await run(process.execPath, ['--expose-gc', program, cipher, 'block:262144']);
    expect(err).toBe('');
    expect(code).toBe(0);
    const { held, external, rss } = JSON.parse(out) as Figures;
    expect(held).toBeGreaterThan(1900);
    expect(external).toBeLessThan(2 * mib);
    // Freed memory that the allocator keeps varies by about 30 MiB.
    expect(rss).toBeLessThan(64 * mib);
  },
);
