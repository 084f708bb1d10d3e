import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { Random } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { tcpPair, unixPair, type StreamPair } from '../support/streams.js';
import { receiveAll, until } from '../support/sockets.js';

const fixture = useFixture();

/** Sends messages of random lengths until the socket rejects or the test has enough. */
async function flood(sock: LockedSocket, random: Random, talk: { on: boolean }): Promise<void> {
  while (talk.on) {
    const size = random.below(4) > 0 ? random.below(40) : random.below(60_000);
    await sock.send(new Uint8Array(size)).catch(() => (talk.on = false));
    if (random.below(4) === 0) await turns();
  }
}

interface Cut {
  readonly how: string;
  readonly cut: (sock: LockedSocket, stream: StreamPair['near']) => void;
  /** Whether the side that is cut has ended its direction before. */
  readonly ended: boolean;
}

const cuts: readonly Cut[] = [
  {
    how: 'closed with a timeout of 0',
    ended: false,
    cut: (sock) => void sock.close(undefined, { timeout: 0 }),
  },
  {
    how: 'closed with a timeout of 0 after its end',
    ended: true,
    cut: (sock) => void sock.close(undefined, { timeout: 0 }),
  },
  {
    how: 'reset below the socket',
    ended: false,
    cut: (_sock, stream) => (stream as { resetAndDestroy?(): unknown }).resetAndDestroy?.(),
  },
];

describe('a plain TCP peer that reads slowly', () => {
  it.each(cuts)('never misses messages before a clean end when the other side is $how', async (row) => {
    for (let seed = 0; seed < 60; seed += 1) {
      const random = new Random(seed);
      const { near, far } = await fixture.tcpStreams();
      const cutter = new LockedSocket(near, { recvSize: random.pick([12, 68, 262_144]) });
      const reader = new LockedSocket(far, { recvSize: 12 + random.below(57) });
      const talk = { on: true };
      const floods = [flood(cutter, random, talk)];
      if (random.below(2) > 0) floods.push(flood(reader, random, talk));
      let received = 0;
      const reading = (async () => {
        for (;;) {
          await reader.recv();
          received += 1;
          if (random.below(3) === 0) await turns(random.below(6));
        }
      })().catch((reason: unknown) => reason);
      await turns(random.below(40));
      talk.on = false;
      if (row.ended) void cutter.end().catch(() => undefined);
      const { messagesSent } = cutter.stats();
      row.cut(cutter, near);
      const reason = await reading;
      const what = `seed ${seed}: ${String(reason)}`;
      expect(K4netError.is(reason), what).toBe(true);
      // A clean end is correct only if the other side has ended and no message is missing.
      const clean = K4netError.is(reason, 'K4NET_CLOSED');
      if (clean) expect([row.ended, received], what).toEqual([true, messagesSent]);
      await Promise.all([...floods, reader.close(undefined, { timeout: 0 }), cutter.close()]);
      await fixture.release();
    }
  });
});

describe.each([
  { carrier: 'TCP', open: tcpPair, codes: ['K4NET_CONNECTION', 'K4NET_TRUNCATED'] },
  { carrier: 'a Unix socket', open: unixPair, codes: ['K4NET_TRUNCATED'] },
])('a peer over $carrier whose other side is cut between two messages', ({ open, codes }) => {
  it.each([false, true])(
    'sees no clean end, whether it has ended its own direction or not: %s',
    async (ended) => {
      const pair = await fixture.streams<StreamPair>(open);
      const [cutter, reader] = [new LockedSocket(pair.near), new LockedSocket(pair.far)];
      if (ended) await reader.end();
      await cutter.send('one');
      await cutter.flush();
      void cutter.close(undefined, { timeout: 0 });
      const messages: Uint8Array[] = [];
      const reason: unknown = await (async () => {
        for await (const message of reader) messages.push(message);
      })().catch((error: unknown) => error);
      expect(K4netError.is(reason) && codes.includes(reason.code), String(reason)).toBe(true);
      expect(messages.length).toBeLessThanOrEqual(1);
    },
  );
});

describe.each([
  { carrier: 'TCP', open: tcpPair },
  { carrier: 'a Unix socket', open: unixPair },
])('a peer over $carrier that closes its whole stream cleanly', ({ open }) => {
  it('gives this side every message and a clean end', async () => {
    const pair = await fixture.streams<StreamPair>(open);
    const sock = new LockedSocket(pair.near);
    pair.far.write(Uint8Array.from([1, 0, 0, 0, 65, 0, 0, 0, 0]));
    const { far } = pair;
    far.end(() => far.destroy());
    const messages = await receiveAll(sock);
    expect(messages.map((message) => message.length)).toEqual([1, 0]);
  });

  it('gets every message before the end of this side, and the end', async () => {
    const pair = await fixture.streams<StreamPair>(open);
    const sock = new LockedSocket(pair.near);
    const { far } = pair;
    let received = 0;
    let ended = false;
    far.on('data', (chunk: Uint8Array) => (received += chunk.length));
    far.on('end', () => (ended = true));
    far.pause();
    for (let i = 0; i < 40; i += 1) void sock.send(new Uint8Array(100_000));
    void sock.end();
    await turns(5);
    far.resume();
    await until(() => ended);
    expect(received).toBe(40 * 100_004);
    far.end();
    await sock.close();
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
  });
});
