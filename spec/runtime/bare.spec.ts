import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

beforeAll(needDist);

describe('a runtime without the globals of Node', () => {
  it('has sockets over what it brings itself, binary data, and a typed error for TCP', async () => {
    const program = fileURLToPath(new URL('programs/bare.mjs', import.meta.url));
    const { code, out, err } = await run(process.execPath, [program]);
    expect(err).toBe('');
    expect(out.trim().split('\n')).toEqual([
      'memory 0 4 1000000 3',
      'binary kanji 漢字',
      'connect K4NET_UNSUPPORTED true',
      'connect K4NET_UNSUPPORTED true',
      'listen K4NET_UNSUPPORTED true',
      'listen K4NET_UNSUPPORTED true',
    ]);
    expect(code).toBe(0);
  });
});
