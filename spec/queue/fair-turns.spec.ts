import { afterEach, describe, expect, it } from 'vitest';
import { FairTurns, fairTurns } from '../../lib/queue/fair-turns.js';
import { turns as turnsOfTheLoop } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { encodeAnswer } from '../support/queue.js';
import { until, watch } from '../support/sockets.js';

/** Works until it has to stop. */
function exhaust(turns: FairTurns): number {
  const start = performance.now();
  while (!turns.step());
  return performance.now() - start;
}

describe('fair turns', () => {
  it('allow 31 steps without a reading of the clock', () => {
    const turns = new FairTurns();
    for (let i = 0; i < 31; i += 1) expect(turns.step()).toBe(false);
    expect(turns.exhausted).toBe(false);
  });

  it('are exhausted after about 10 ms of work in one turn, for every socket', async () => {
    const turns = new FairTurns();
    expect(exhaust(turns)).toBeGreaterThan(9);
    expect(turns.exhausted).toBe(true);
    expect(turns.step()).toBe(true);
    await turnsOfTheLoop();
    expect(turns.exhausted).toBe(false);
    expect(turns.step()).toBe(false);
  });

  it('run each waiting task once, in order, before any runs again', async () => {
    const turns = new FairTurns();
    const visits: string[] = [];
    const work = (name: string, left: number): void => {
      visits.push(name);
      exhaust(turns);
      if (left > 1) {
        turns.wait(() => {
          work(name, left - 1);
        });
      }
    };
    exhaust(turns);
    for (const name of ['a', 'b', 'c']) {
      turns.wait(() => {
        work(name, 3);
      });
    }
    expect(visits).toEqual([]);
    await until(() => visits.length === 9);
    expect(visits.join('')).toBe('abcabcabc');
  });

  it('run waiting tasks in later turns, so that timers and input run in between', async () => {
    const turns = new FairTurns();
    let [done, passed] = [0, 0];
    const work = (): void => {
      exhaust(turns);
      done += 1;
      turns.wait(work);
    };
    turns.wait(work);
    while (passed < 20) {
      await turnsOfTheLoop();
      passed += 1;
    }
    // About ten visits of 1 ms fit in a turn; a machine that is busy has fewer.
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(20 * 15);
  });
});

describe('QueueSocket: while other sockets exhaust every turn', () => {
  const fixture = useFixture();

  let busy = false;
  const hog = (): void => {
    exhaust(fairTurns);
    if (busy) fairTurns.wait(hog);
  };

  afterEach(async () => {
    busy = false;
    await fixture.release();
  });

  it('answers that arrived before the end reach their calls before the end does', async () => {
    const { queue, peer, cut } = await fixture.queueWithPeer();
    queue.start();
    const calls = Array.from({ length: 100 }, () => watch(queue.call('x')));
    for (let i = 0; i < 100; i += 1) await peer.recv();
    busy = true;
    // So many that the answers have to wait for some turns.
    for (let i = 0; i < 50; i += 1) hog();
    for (let i = 0; i < 100; i += 1) void peer.send(encodeAnswer(i + 1, new Uint8Array(0)));
    await peer.flush();
    expect(queue.stats()).toMatchObject({ bytesReceived: 100 * 12, callsInFlight: 100 });
    cut();
    await queue.closed;
    await turnsOfTheLoop();
    expect(new Set(calls.map(({ state }) => state))).toEqual(new Set(['resolved']));
  });

  it('messages and requests keep their order, and drain finishes them', async () => {
    const { near, far } = await fixture.queuePair();
    const seen: number[] = [];
    far.registerCallback('x', (reader) => void seen.push(reader.readUint()));
    far.registerCallback('y', (reader) => reader.read(), { priority: 1 });
    near.start();
    far.start();
    busy = true;
    hog();
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 500; i += 1) {
      void near.sendRegistered('x', (writer) => {
        writer.writeUint(i);
      });
      calls.push(near.call('y'));
    }
    await Promise.all(calls);
    await near.drain();
    await far.closed;
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });
});
