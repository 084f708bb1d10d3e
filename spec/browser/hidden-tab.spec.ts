import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

needDist();

const program = fileURLToPath(new URL('hidden-tab.js', import.meta.url));
/** Live MiB that the page and two sockets in it may hold: their queues, windows and records. */
const most = 24;

it('a hidden tab under traffic keeps its memory bounded and loses no message', async () => {
  const { code, out, err } = await run(process.execPath, [program, '4', '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { state, readMib, mostMib, sent, read } = JSON.parse(out) as {
    readonly state: string;
    readonly readMib: number;
    readonly mostMib: number;
    readonly sent: object;
    readonly read: object;
  };
  expect(state).toBe('hidden');
  expect(read).toEqual(sent);
  expect(readMib).toBeGreaterThan(most);
  expect(mostMib).toBeLessThan(most);
});
