import { expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';

const fixture = useFixture('plain over TCP');

const mib = 1024 * 1024;
const count = 100_000;

/**
 * Limit of the growth of resident memory while 1 GiB passes, both ends and garbage included. About
 * 60 MiB is usual; the limit is an eighth of the total.
 */
const bound = 128 * mib;

/** The same random sizes and places for both ends: most small, one in a hundred up to 2 MiB. */
function* plan(poolSize: number): Generator<{ start: number; end: number }> {
  const random = new Random(2024);
  for (let i = 0; i < count; i += 1) {
    const kind = random.below(1000);
    const size =
      kind < 10 ? random.below(2 * mib + 1) : kind < 100 ? random.below(20_000) : random.below(400);
    const start = random.below(poolSize - size + 1);
    yield { start, end: start + size };
  }
}

it('100,000 messages of about 1 GiB arrive in order and whole, with pauses on both sides and bounded memory', async () => {
  const { near: sender, far: receiver } = await fixture.socketPair();
  const pool = new Random(7).bytes(4 * mib);
  const before = process.memoryUsage().rss;
  let peak = before;
  let total = 0;

  const sending = (async () => {
    const random = new Random(8);
    for (const { start, end } of plan(pool.length)) {
      // Some programs await each send, some only now and then.
      const sent = sender.send(pool.subarray(start, end));
      if (random.below(3) > 0) await sent;
      if (random.below(500) === 0) await turns(random.below(20));
    }
    await sender.close('the end');
  })();

  const receiving = (async () => {
    const random = new Random(9);
    let index = 0;
    for (const { start, end } of plan(pool.length)) {
      const message = await receiver.recv();
      if (Buffer.compare(message, pool.subarray(start, end)) !== 0) expect.fail(`message ${index} is wrong`);
      index += 1;
      total += message.length;
      if (index % 200 === 0) peak = Math.max(peak, process.memoryUsage().rss);
      if (random.below(500) === 0) await turns(random.below(20));
    }
    expect(await receiver.recvText()).toBe('the end');
    await receiver.close();
  })();

  await Promise.all([sending, receiving]);
  expect(total).toBeGreaterThan(1000 * mib);
  expect(receiver.stats()).toMatchObject({
    messagesReceived: count + 1,
    bytesReceived: sender.stats().bytesSent,
  });
  expect(await receiver.closed).toEqual({ code: 'K4NET_CLOSED' });
  if (process.env['K4NET_SOAK_FIGURES']) {
    console.log(`total ${Math.round(total / mib)} MiB, peak growth ${Math.round((peak - before) / mib)} MiB`);
  }
  expect(peak - before).toBeLessThan(bound);
}, 120_000);
