import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

beforeAll(needDist);

const program = fileURLToPath(new URL('programs/soak.mjs', import.meta.url));
const mib = 1024 * 1024;

/** The most bytes in use above those before the calls. About 1 MiB is usual, most of it code. */
const bound = 4 * mib;

interface Memory {
  readonly heapUsed: number;
  readonly arrayBuffers: number;
}

interface Figures {
  readonly tally: Readonly<Record<string, number>>;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly baseline: Memory;
  readonly memory: Memory;
  readonly milliseconds: number;
}

// The program checks each call when it settles, and the listeners of all signals at the end of
// each connection.
it.each([
  { kind: 'plain', calls: 200_000, connections: 8 },
  { kind: 'encrypted', calls: 10_000, connections: 1 },
])(
  '$calls calls over $kind TCP, 1,000 in flight, all settle and leave nothing behind, whether they are answered, fail, time out, abort or lose the connection',
  async ({ kind, calls, connections }) => {
    const { code, out, err } = await run(process.execPath, [
      '--expose-gc',
      program,
      kind,
      `${calls}`,
      '1000',
      `${connections}`,
    ]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { tally, before, after, baseline, memory, milliseconds } = JSON.parse(out) as Figures;
    if (process.env['K4NET_SOAK_FIGURES']) console.log(milliseconds, 'ms', tally, baseline, memory);

    expect(tally['settled']).toBe(calls);
    // Some were aborted before they began.
    expect(tally['mostPending']).toBeGreaterThan(900);
    for (const outcome of ['answered', 'failed', 'aborted', 'timedOut', 'cut']) {
      expect(tally[outcome], outcome).toBeGreaterThan(0);
    }
    // Every started callback has ended. Signals of callbacks of cancelled or lost calls were
    // aborted.
    expect(tally['ended']).toBe(tally['begun']);
    expect(tally['held']).toBeGreaterThan(0);
    expect(tally['letGo']).toBe(tally['held']);
    // No timer, no turn of the event loop, no connection.
    expect(after).toEqual(before);
    expect(memory.heapUsed - baseline.heapUsed).toBeLessThan(bound);
    expect(memory.arrayBuffers - baseline.arrayBuffers).toBeLessThan(bound);
  },
  120_000,
);
