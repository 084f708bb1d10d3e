import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

beforeAll(needDist);

const program = fileURLToPath(new URL('programs/padded.mjs', import.meta.url));
const mib = 1024 * 1024;

interface Figures {
  readonly held: number;
  readonly external: number;
  readonly rss: number;
}

// Without the copies of the decoder, these messages keep 70 MiB (node) and 490 MiB (webcrypto).
it.each(['node', 'webcrypto'])(
  'unread one-byte messages keep no padding in memory with the %s cipher',
  async (cipher) => {
    const { code, out, err } = await run(process.execPath, ['--expose-gc', program, cipher, 'block:262144']);
    expect(err).toBe('');
    expect(code).toBe(0);
    const { held, external, rss } = JSON.parse(out) as Figures;
    expect(held).toBeGreaterThan(1900);
    expect(external).toBeLessThan(2 * mib);
    // Freed memory that the allocator keeps varies by about 30 MiB.
    expect(rss).toBeLessThan(64 * mib);
  },
);
