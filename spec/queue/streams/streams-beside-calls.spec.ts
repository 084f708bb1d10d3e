import { describe, expect, it } from 'vitest';
import type { QueueSocket } from '../../../lib/queue/queue-socket.js';
import { useFixture, type SocketKind } from '../../support/fixture.js';
import { textIn } from '../../support/queue.js';
import { turns } from '../../support/recorder.js';
import { reasonOf, until } from '../../support/sockets.js';

const kinds: readonly SocketKind[] = ['plain in memory', 'plain over TCP', 'encrypted over TCP'];
const itemSize = 448;
/** The items of one window. */
const itemsPerWindow = (256 * 1024) / (itemSize + 64);

/** The endless writers of one test. */
class Writers {
  running = 0;
  produced = 0;

  *endless(): Generator<Uint8Array, void> {
    this.running += 1;
    try {
      for (;;) {
        this.produced += 1;
        yield new Uint8Array(itemSize);
      }
    } finally {
      this.running -= 1;
    }
  }

  async *later(): AsyncGenerator<Uint8Array, void> {
    yield* await Promise.resolve(this.endless());
  }
}

/** Callbacks that give items for ever, take one item of a body, take all items, and answer a call. */
function register(queue: QueueSocket, writers: Writers): void {
  queue.registerCallback('endless', () => writers.endless());
  queue.registerCallback('later', () => writers.later());
  queue.registerCallback('hold', async (_, { body, signal }) => {
    await body.next();
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
    });
  });
  queue.registerCallback('drop', async (_, { body }) => {
    for await (const item of body) expect(item.remaining).toBe(itemSize);
  });
  queue.registerCallback('ping', () => 'pong');
}

async function ping(queue: QueueSocket): Promise<void> {
  expect(textIn(await queue.call('ping'))).toBe('pong');
}

describe.each(kinds)('%s', (kind) => {
  const fixture = useFixture(kind);

  it('writers that never stop wait for readers that never read, and calls pass both ways', async () => {
    const { near, far } = await fixture.queuePair();
    const writers = new Writers();
    for (const queue of [near, far]) register(queue, writers);
    near.start();
    far.start();
    const puts = [near, far].flatMap((queue) => {
      queue.stream('endless');
      queue.stream('later');
      return [writers.endless(), writers.later()].map((body) => reasonOf(queue.call('hold', '', { body })));
    });
    const all = 8 * itemsPerWindow;
    await until(() => near.stats().itemsReceived + far.stats().itemsReceived === all);
    for (let n = 0; n < 50; n += 1) await Promise.all([ping(near), ping(far)]);
    await turns(20);
    expect(near.stats().itemsSent + far.stats().itemsSent).toBe(all);
    expect(writers).toMatchObject({ running: 8, produced: all });
    await near.close(undefined, { timeout: 0 });
    await Promise.all(puts);
    await until(() => writers.running === 0);
  });

  it.each(['endless', 'later'] as const)(
    'a writer that never stops (%s) and a reader that keeps up leave turns to calls',
    async (name) => {
      const { near, far } = await fixture.queuePair();
      const writers = new Writers();
      for (const queue of [near, far]) register(queue, writers);
      near.start();
      far.start();
      const abort = new AbortController();
      const put = reasonOf(near.call('drop', '', { body: writers[name](), signal: abort.signal }));
      let pinged = 0;
      const calls = (async () => {
        for (; pinged < 30; pinged += 1) await Promise.all([ping(near), ping(far)]);
      })();
      let taken = 0;
      for await (const item of near.stream(name)) {
        expect(item.remaining).toBe(itemSize);
        taken += 1;
        if (pinged === 30 && far.stats().itemsReceived > 2 * itemsPerWindow && taken > 2 * itemsPerWindow)
          break;
      }
      await calls;
      abort.abort(new Error('enough'));
      expect(await put).toMatchObject({ message: 'enough' });
      await until(() => writers.running === 0);
    },
  );
});

describe.each(kinds.slice(1))('%s', (kind) => {
  const fixture = useFixture(kind);

  it('a long upload and 64 calls in flight do not wait for each other, in bounded memory', async () => {
    const pieceSize = 64 * 1024;
    const pieces = Number(process.env['K4NET_UPLOAD_BYTES'] ?? 64 * 1024 * 1024) / pieceSize;
    const { near, far } = await fixture.queuePair({ far: { requestConcurrency: 128 } });
    let received = 0;
    let answered = 0;
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    far.registerCallback('put', async (_, { body }) => {
      for await (const piece of body) {
        expect(piece.remaining).toBe(pieceSize);
        received += 1;
      }
      finish();
      return String(received);
    });
    far.registerCallback('ping', () => 'pong');
    far.registerCallback('wait', () => finished);
    near.start();
    far.start();
    let ahead = 0;
    let buffered = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      const piece = new Uint8Array(pieceSize);
      for (let sent = 0; sent < pieces; sent += 1) {
        // The calls go on: the upload waits for answers that come while it is under way.
        const expected = answered + 64;
        if (sent % Math.ceil(pieces / 16) === 0) await until(() => answered >= expected);
        ahead = Math.max(ahead, sent - received);
        buffered = Math.max(buffered, near.bufferedAmount, far.bufferedAmount);
        yield piece;
      }
    }
    // Half of the calls end after the upload only, so the upload waits for none of them.
    const held = Array.from({ length: 32 }, () => near.call('wait'));
    let over = false;
    const callers = Array.from({ length: 32 }, async () => {
      while (!over) {
        await ping(near);
        answered += 1;
      }
    });
    expect(textIn(await near.call('put', '', { body: body() }))).toBe(String(pieces));
    over = true;
    await Promise.all([...callers, ...held]);
    expect(answered).toBeGreaterThanOrEqual(16 * 64);
    // Three pieces fit into the window, and one more may be under way to the sender.
    expect(ahead).toBeLessThanOrEqual(4);
    expect(buffered).toBeLessThanOrEqual(1024 * 1024);
  });
});
