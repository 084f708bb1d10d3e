import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { needDist, run } from '../../support/dist.js';

const program = fileURLToPath(new URL('../programs/unread-streams.mjs', import.meta.url));

beforeAll(needDist);

it.each([0, 1, 64, 820, 2049, 60_000])(
  'all items of %i bytes that a hostile peer may send to streams that nobody reads use at most maxStreams times streamWindow bytes',
  async (size) => {
    const { out, err } = await run(process.execPath, ['--expose-gc', program, `${size}`]);
    expect(err).toBe('');
    const { memory, counted, limit, open } = JSON.parse(out) as Record<string, number>;
    expect(open).toBe(64);
    expect(counted).toBeLessThanOrEqual(limit!);
    // The rest of the program is not constant to the byte.
    expect(memory).toBeLessThan(1.15 * limit!);
  },
);
