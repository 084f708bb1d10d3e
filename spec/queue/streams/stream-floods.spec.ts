import { expect, it } from 'vitest';
import { openingHead, streamHead } from '../../../lib/queue/stream-open.js';
import { streamType } from '../../../lib/queue/streams/messages.js';
import { encodeCancel } from '../../../lib/queue/envelope.js';
import type { QueueSocket } from '../../../lib/queue/queue-socket.js';
import { noBytes } from '../../../lib/util/bytes.js';
import { useFixture } from '../../support/fixture.js';
import { ErrorLog, joined, textIn } from '../../support/queue.js';
import { turns } from '../../support/recorder.js';
import { reasonOf, until } from '../../support/sockets.js';

const fixture = useFixture('plain over TCP');

const open = (id: number, name: string, flags: number, window: number = 1024): Uint8Array =>
  joined(openingHead(id, name, { flags, window }), noBytes);

/** A callback that gives items for ever, and counts those that run. */
function endless(queue: QueueSocket, size: number): { running: number; produced: number } {
  const counts = { running: 0, produced: 0 };
  queue.registerCallback('endless', async function* () {
    counts.running += 1;
    try {
      for (;;) {
        counts.produced += 1;
        yield await Promise.resolve(new Uint8Array(size));
      }
    } finally {
      counts.running -= 1;
    }
  });
  return counts;
}

it('items that the program does not take use at most maxStreams times streamWindow bytes, however many the peer sends', async () => {
  const log = new ErrorLog();
  const { queue, peer } = await fixture.queueWithPeer({
    onError: log.onError,
    maxStreams: 8,
    streamWindow: 4096,
  });
  queue.start();
  const streams = Array.from({ length: 8 }, () => queue.stream('rows'));
  for (let n = 0; n < 8; n += 1) await peer.recv();
  for (let n = 0; n < 1000; n += 1) {
    for (let id = 1; id <= 8; id += 1)
      await peer.send(joined(streamHead(streamType.answerItem, id), noBytes));
  }
  // Each stream fails at the first item over its window: an empty item counts 64 bytes.
  await until(() => log.entries.length === 8);
  expect(queue.stats().itemsReceived).toBe(8 * 65);
  for (const stream of streams)
    expect(await reasonOf(stream.next())).toMatchObject({ code: 'K4NET_MALFORMED' });
});

it('a peer that grants no credit makes this side produce one window of items for each stream', async () => {
  const { queue, peer } = await fixture.queueWithPeer();
  const counts = endless(queue, 448);
  queue.start();
  for (let id = 1; id <= 64; id += 1) await peer.send(open(id, 'endless', 2, 1024));
  await until(() => queue.stats().itemsSent === 64 * 2);
  await turns(20);
  expect(queue.stats()).toMatchObject({ itemsSent: 64 * 2, streams: 64 });
  expect(counts).toEqual({ running: 64, produced: 64 * 2 });
  await queue.close(undefined, { timeout: 0 });
  await until(() => counts.running === 0);
});

it('a flood of opens, each cancelled at once, runs at most maxStreams generators and answers each', async () => {
  const { queue, peer } = await fixture.queueWithPeer({ maxStreams: 4 });
  const counts = endless(queue, 0);
  let most = 0;
  queue.registerCallback('count', () => String((most = Math.max(most, counts.running))));
  queue.start();
  let replies = 0;
  const reading = (async () => {
    for await (const message of peer) if (message[3] === 3) replies += 1;
  })();
  for (let id = 1; id <= 3000; id += 1) {
    await peer.send(open(id, 'endless', 2));
    await peer.send(encodeCancel(id));
    most = Math.max(most, counts.running);
    await peer.send(encodeCancel(id + 5000));
  }
  await until(() => replies === 3000);
  expect(most).toBeLessThanOrEqual(4);
  expect(queue.stats()).toMatchObject({ streams: 0, requestsInFlight: 0, requestQueue: { messages: 0 } });
  expect(counts.running).toBe(0);
  await peer.close();
  await reading;
});

it('opens over maxStreams from a peer that reads no replies stop its reading, and use bounded memory', async () => {
  const { queue, peer } = await fixture.queueWithPeer(
    { maxStreams: 1, maxQueuedMessages: 100 },
    { highWaterMark: 1024 },
  );
  queue.registerCallback('hold', () => new Promise(() => undefined));
  queue.start();
  let accepted = 0;
  const flood = (async () => {
    for (let id = 1; ; id += 1) {
      await peer.send(open(id, 'hold', 2));
      accepted = id;
    }
  })();
  void flood.catch(() => undefined);
  let before = -1;
  await until(() => {
    const { messagesReceived, bufferedAmount } = { ...queue.stats(), bufferedAmount: queue.bufferedAmount };
    const still = messagesReceived === before && bufferedAmount > 0;
    before = messagesReceived;
    return still || accepted > 200_000;
  });
  expect(queue.stats().requestQueue.messages).toBeLessThanOrEqual(200);
  await queue.close(undefined, { timeout: 0 });
});

it('two sides that stream to each other and both stop reading still answer calls', async () => {
  const { near, far } = await fixture.queuePair({});
  const counts = [near, far].map((queue) => endless(queue, 8000));
  for (const queue of [near, far]) queue.registerCallback('ping', () => 'pong');
  near.start();
  far.start();
  const streams = [near, far].flatMap((queue) => Array.from({ length: 20 }, () => queue.stream('endless')));
  for (const stream of streams) await stream.next();
  await until(() => counts.every(({ running }) => running === 20));
  const full = Math.floor((256 * 1024) / 8064);
  await until(() => near.stats().itemsReceived === 20 * full && far.stats().itemsReceived === 20 * full);
  for (let n = 0; n < 50; n += 1) {
    expect(textIn(await near.call('ping'))).toBe('pong');
    expect(textIn(await far.call('ping'))).toBe('pong');
  }
  for (const { produced } of counts) expect(produced).toBeLessThanOrEqual(20 * (full + 1));
  for (const stream of streams) await stream.return();
  await until(() => counts.every(({ running }) => running === 0));
});

it('a producer is at most one window ahead of a slow consumer, and the items keep their order', async () => {
  const { near, far } = await fixture.queuePair();
  let produced = 0;
  far.registerCallback('rows', async function* (reader) {
    const count = Number(textIn(reader));
    for (; produced < count; produced += 1) yield String(produced).padStart(64);
    await Promise.resolve();
  });
  near.start();
  far.start();
  const count = Number(process.env['K4NET_STREAM_ITEMS'] ?? 30_000);
  const window = Math.ceil((256 * 1024) / 128) + 1;
  let taken = 0;
  let ahead = 0;
  for await (const row of near.stream('rows', String(count))) {
    expect(Number(textIn(row))).toBe(taken);
    taken += 1;
    ahead = Math.max(ahead, produced - taken);
    if (taken % 500 === 0) await turns(1);
  }
  expect(taken).toBe(count);
  expect(ahead).toBeLessThanOrEqual(window);
});

it('a cut ends each stream at both sides with the error of the connection, and every generator returns', async () => {
  const { near, far, cut } = await fixture.queuePair();
  const counts = endless(far, 100);
  let returned = 0;
  async function* body(): AsyncGenerator<string> {
    try {
      for (;;) yield await Promise.resolve('a');
    } finally {
      returned += 1;
    }
  }
  const reasons: unknown[] = [];
  far.registerCallback('put', async (_, { body: items, signal }) => {
    try {
      for await (const piece of items) if (piece.remaining > 1) break;
    } catch (error) {
      reasons.push(error, signal.aborted);
    }
  });
  near.start();
  far.start();
  const rows = near.stream('endless');
  await rows.next();
  const put = reasonOf(near.call('put', '', { body: body() }));
  await until(() => far.stats().itemsReceived > 10);
  cut();
  const reason = (await put) as { code: string };
  expect(reason.code).toMatch(/^K4NET_(CONNECTION|TRUNCATED|CLOSED)$/);
  let last: unknown;
  while (last === undefined)
    last = await rows.next().then(
      ({ done }) => (done === true ? 'done' : undefined),
      (error: unknown) => error,
    );
  expect(last).toBe(reason);
  await until(() => returned === 1 && counts.running === 0 && reasons.length === 2);
  expect(reasons[1]).toBe(true);
  expect([near.stats().streams, far.stats().streams]).toEqual([0, 0]);
});

it('drain lets open streams finish, and refuses new ones', async () => {
  const { near, far } = await fixture.queuePair();
  let go: () => void = () => undefined;
  far.registerCallback('rows', async function* () {
    yield 'one';
    await new Promise<void>((resolve) => (go = resolve));
    yield 'two';
    return 'end';
  });
  near.start();
  far.start();
  const rows = near.stream('rows');
  await rows.next();
  const drained = far.drain();
  expect(await reasonOf(near.stream('rows').next())).toMatchObject({ remoteCode: 'K4NET_CLOSED' });
  go();
  const second = await rows.next();
  expect(second.done === true ? '' : textIn(second.value)).toBe('two');
  expect(textIn(await rows.answer)).toBe('end');
  await drained;
});
