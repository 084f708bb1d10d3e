import { beforeAll, expect, it } from 'vitest';
import { needDist } from '../support/dist.js';
import { decodeControl, encodeRequest } from '../support/queue.js';
import { ServerProcess } from '../support/server-process.js';

beforeAll(needDist);

const MiB = 1024 * 1024;
/** The default of `requestConcurrency`. */
const concurrency = 64;

it.each([
  ['plain', 'at once', 2000, 32, 64],
  ['plain', 'async', 2000, 32, 64],
  ['encrypted', 'at once', 500, 32, 64],
  // All callbacks that may run at once have started before the first of them answers.
  ['plain', 'after a timer', 2000, concurrency + 16, 2 * concurrency],
] as const)(
  'a %s peer that does not read answers of 1 MB (returned %s) to %i requests runs fewer than %i callbacks, ' +
    'occupies less than %i MiB, and gets all answers when it reads',
  async (kind, name, requests, callbacks, mebibytes) => {
    const victim = await ServerProcess.start(kind);
    try {
      // Nobody receives on this socket yet, so it stops reading.
      const peer = await victim.connect();
      for (let id = 1; id <= requests; id += 1) void peer.send(encodeRequest(id, name, new Uint8Array(0)));
      await victim.reportUntil(({ stats: [socket] }) => socket?.messagesReceived === requests);
      // Each report takes turns of both event loops, so that all pending work has run.
      let { stats, most } = await victim.report();
      for (let quiet = 0, before = -1; quiet < 50; quiet += 1) {
        ({ stats, most } = await victim.report());
        const run = stats[0]?.callbacksRun ?? 0;
        if (run !== before) quiet = 0;
        before = run;
      }
      expect(stats[0]?.callbacksRun).toBeLessThan(callbacks);
      expect(most.rss).toBeLessThan(mebibytes * MiB);
      expect(most.arrayBuffers).toBeLessThan(mebibytes * MiB);

      const answered = new Set<number>();
      while (answered.size < requests) {
        const answer = decodeControl(await peer.recv());
        if (answer.type !== 'answer') return expect.fail(answer.type);
        expect(answer.payload.length).toBe(1_000_000);
        answered.add(answer.id);
      }
      ({ stats, most } = await victim.report());
      expect(stats[0]).toMatchObject({ callbacksRun: requests, requestsInFlight: 0 });
      await peer.close();
    } finally {
      await victim.stop();
    }
  },
  120_000,
);
