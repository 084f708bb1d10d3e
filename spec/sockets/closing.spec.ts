import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { pattern, Random, same, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { receiveAll, textOf, until, watch } from '../support/sockets.js';

const clean = { code: 'K4NET_CLOSED' };
/** Many short attempts. The time limit only detects a hang, also on a busy machine. */
const manyAttempts = { timeout: 120_000 };

const tcp = useFixture('plain over TCP');
const memory = useFixture('plain in memory');

describe('close over TCP, a hundred times', () => {
  it('delivers the closing message to a slow reader that still sends', manyAttempts, async () => {
    const random = new Random(11);
    const flood = pattern(64 * 1024);
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const { near, far } = await tcp.socketPair();
      const sent = Array.from({ length: random.below(30) }, (_, i) => pattern(random.below(40_000), i));
      const sending = (async () => {
        // Until the socket rejects: the other side does not read.
        for (;;) await far.send(flood);
      })().catch((reason: unknown) => reason);
      const reading = (async () => {
        const received: Uint8Array[] = [];
        for await (const message of far) {
          received.push(message);
          await turns(random.below(4));
        }
        return received;
      })();
      await turns(random.below(3));
      for (const message of sent) void near.send(message);
      await near.close('bye');
      const received = await reading;
      expect(textOf(received.pop())).toBe('bye');
      expect(sameAll(received, sent)).toBe(true);
      expect(await near.closed).toEqual(clean);
      expect(await far.closed).toEqual(clean);
      expect(K4netError.is(await sending, 'K4NET_CLOSED')).toBe(true);
      await tcp.release();
    }
  });

  it('closes both sides cleanly when both close at once with much data in flight', manyAttempts, async () => {
    const random = new Random(12);
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const { near, far } = await tcp.socketPair();
      for (const sock of [near, far]) {
        for (let i = random.below(12); i > 0; i -= 1) void sock.send(pattern(random.below(100_000)));
      }
      await turns(random.below(3));
      const closing = near.close('bye');
      if (random.below(2) === 0) await turns(random.below(2));
      await Promise.all([closing, far.close('bye')]);
      expect([await near.closed, await far.closed]).toEqual([clean, clean]);
      await tcp.release();
    }
  });

  it('closes cleanly when the other side ends, or closes inside its loop', manyAttempts, async () => {
    const random = new Random(13);
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const { near, far } = await tcp.socketPair();
      const seen: string[] = [];
      const loop = (async () => {
        for await (const text of far.texts()) {
          seen.push(text);
          if (text === 'quit') await far.close('quitting');
        }
      })();
      for (let i = 0; i < 5; i += 1) void near.send(i === random.below(5) ? 'quit' : 'go on');
      void near.end();
      await loop;
      await receiveAll(near);
      expect([await near.closed, await far.closed]).toEqual([clean, clean]);
      await tcp.release();
    }
  });
});

describe('a peer that stops reading', () => {
  it('makes send wait in order, with bounded memory, until it reads or the socket closes (backpressure)', async () => {
    const { near, far } = await tcp.socketPair();
    const message = pattern(16 * 1024);
    let accepted = 0;
    const loop = (async () => {
      for (;;) {
        await near.send(message);
        accepted += 1;
      }
    })().catch((reason: unknown) => reason);
    const standstill = async (): Promise<number> => {
      let before = -1;
      for (let still = 0; still < 100; still += 1) {
        if (accepted !== before) still = 0;
        before = accepted;
        await turns();
      }
      return accepted;
    };
    const first = await standstill();
    const before = near.bufferedAmount;
    expect(before).toBeLessThan(256 * 1024 + 2 * (message.length + 4));
    // The peer reads a part, so the same amount can follow, and then send waits again.
    for (let i = 0; i < first; i += 1) expect(same(await far.recv(), message)).toBe(true);
    const second = await standstill();
    expect(second).toBeGreaterThan(first);
    expect(near.bufferedAmount).toBeLessThan(256 * 1024 + 2 * (message.length + 4));
    await near.close(undefined, { timeout: 5 });
    expect(K4netError.is(await loop, 'K4NET_TIMEOUT') || K4netError.is(await loop, 'K4NET_CLOSED')).toBe(
      true,
    );
  });
});

describe.each([
  ['in memory', memory],
  ['over TCP', tcp],
])('closing at any moment, %s', (_name, fixture) => {
  it('settles every promise with its cause', manyAttempts, async () => {
    for (let seed = 0; seed < 80; seed += 1) {
      const random = new Random(1000 + seed);
      const pair = await fixture.socketPair();
      const controllers = [new AbortController(), new AbortController()];
      const promises: Promise<unknown>[] = [];
      const keep = (promise: Promise<unknown>): void => {
        promises.push(promise);
        // The test checks its outcome at the end, and K4NET_STATE would be an unhandled rejection.
        promise.catch(() => undefined);
      };
      const act = (sock: LockedSocket): void => {
        const controller = random.pick(controllers);
        const { signal } = controller;
        const actions: (() => Promise<unknown> | undefined)[] = [
          () => sock.send(pattern(random.below(100))),
          () => sock.send(pattern(random.below(200_000)), { signal }),
          () => sock.send(pattern(400_000)),
          () => sock.recv(),
          () => sock.recv({ signal, timeout: random.pick([0, 1, 5, undefined]) }),
          () => sock.recv({ maxSize: random.below(1000), signal }),
          () => sock.recvText(),
          () => sock[Symbol.asyncIterator]().next(),
          () => sock.flush({ timeout: random.pick([0, 2, undefined]), signal }),
          () => {
            if (random.below(12) === 0) return sock.end();
            if (random.below(12) === 0) controller.abort(new Error('aborted by the test'));
            return undefined;
          },
        ];
        const promise = random.pick(actions)();
        if (promise) keep(promise);
      };
      const finish = [
        () => pair.near.close('bye', { timeout: random.pick([0, 1, 20]) }),
        () => pair.far.close(undefined, { timeout: random.pick([0, 1, 20]) }),
        () => pair.near[Symbol.asyncDispose](),
        () => {
          pair.cut();
          return undefined;
        },
      ];
      const at = random.below(60);
      for (let i = 0; i < 60; i += 1) {
        if (i === at) {
          const closing = random.pick(finish)();
          if (closing) keep(closing);
        }
        act(random.below(2) === 0 ? pair.near : pair.far);
        if (random.below(4) === 0) await turns(random.below(3));
      }
      promises.push(pair.near.close(undefined, { timeout: 5 }), pair.far.close(undefined, { timeout: 5 }));
      // The assertion is that this settles; otherwise the test reaches its time limit.
      const outcomes = await Promise.allSettled(promises);
      const infos = await Promise.all([pair.near.closed, pair.far.closed]);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        const reason: unknown = outcome.reason;
        const known = K4netError.is(reason) || (reason as Error).message === 'aborted by the test';
        if (!known || K4netError.is(reason, 'K4NET_INTERNAL')) expect.fail(`seed ${seed}: ${String(reason)}`);
      }
      for (const info of infos) expect(info.code).not.toBe('K4NET_INTERNAL');
      expect([pair.near.readyState, pair.far.readyState]).toEqual(['closed', 'closed']);
      for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      await fixture.release();
    }
  });

  it('never resolves send and then leaves the socket open', async () => {
    const pair = await fixture.socketPair();
    const flushes = Array.from({ length: 10 }, (_, i) => {
      void pair.near.send(pattern(300_000, i));
      return watch(pair.near.flush());
    });
    pair.cut();
    await until(() => flushes.every((flush) => flush.state !== 'pending'));
    const codes = flushes.filter((flush) => flush.state === 'rejected').map((flush) => flush.reason);
    for (const reason of codes) expect(K4netError.is(reason, 'K4NET_CONNECTION')).toBe(true);
    await pair.far.close(undefined, { timeout: 0 });
  });
});

describe('a socket after its end', () => {
  it('rejects a closing message after end() and changes nothing', async () => {
    const { near, far } = await memory.socketPair();
    await near.end();
    await expect(near.close('too late')).rejects.toMatchObject({ code: 'K4NET_STATE' });
    expect(near.readyState).toBe('open');
    await far.close('still heard');
    expect(await near.recvText()).toBe('still heard');
    await near.close();
  });

  it('rejects a send after end() with the later failure of the connection', async () => {
    const { near, far, cut } = await tcp.socketPair();
    await far.end();
    cut();
    await near.closed;
    await expect(near.send('x')).rejects.toMatchObject({ code: (await near.closed).code });
    await far.close(undefined, { timeout: 0 });
    const { code } = await far.closed;
    await expect(far.send('x')).rejects.toMatchObject({ code });
  });

  it('has a bufferedAmount of 0', async () => {
    const { near, far } = await memory.socketPair();
    for (let i = 0; i < 100; i += 1) void near.send(pattern(20_000));
    expect(near.bufferedAmount).toBeGreaterThan(0);
    await near.close(undefined, { timeout: 0 });
    expect(near.bufferedAmount).toBe(0);
    await far.close();
  });
});
