import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

const program = fileURLToPath(new URL('programs/bare.mjs', import.meta.url));

beforeAll(needDist);

describe.each([
  { form: 'the form for Node', conditions: [] },
  { form: 'the form for browsers', conditions: ['--conditions=browser'] },
])('the package in a runtime without the globals of Node, $form', ({ conditions }) => {
  it('has sockets over memory, encrypted ones and queues too, and rejects TCP with K4NET_UNSUPPORTED', async () => {
    const { code, out, err } = await run(process.execPath, [...conditions, program]);
    expect(err).toBe('');
    expect(out.trim().split('\n')).toEqual([
      'memory 0 4 1000000 3',
      'encrypted pin true',
      'queue 2 of 1, 4 of 2, 6 of 2',
      'binary kanji 漢字',
      'connect K4NET_UNSUPPORTED true',
      'connect K4NET_UNSUPPORTED true',
      'listen K4NET_UNSUPPORTED true',
      'listen K4NET_UNSUPPORTED true',
    ]);
    expect(code).toBe(0);
  });
});
