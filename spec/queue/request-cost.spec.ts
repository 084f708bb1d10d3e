import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

const program = fileURLToPath(new URL('programs/held-requests.mjs', import.meta.url));

beforeAll(needDist);

it.each([
  [1, 0],
  [20, 1],
  [255, 0],
  [255, 100],
])(
  'a request in flight counts no less than its memory, with a name of %i bytes and a payload of %i',
  async (name, payload) => {
    const { out, err } = await run(process.execPath, ['--expose-gc', program, `${name}`, `${payload}`]);
    expect(err).toBe('');
    const { cost, counted } = JSON.parse(out) as { cost: number; counted: number };
    expect(counted).toBe(512 + name + payload);
    expect(cost).toBeLessThanOrEqual(counted);
    // Nor many times as much: that would keep calls waiting for nothing.
    expect(cost).toBeGreaterThan(counted / 4);
  },
);
