import { join } from 'node:path';
import { expect, it } from 'vitest';
import { needDist, root, run } from '../support/dist.js';

needDist();

const program = join(root, 'spec/bench/browser/run.js');

it.each([
  ['page', ['plain', 'encrypted']],
  ['threads', ['plain']],
])('the benchmark compares %s with the bare carrier', async (place, kinds) => {
  const short = ['--repeat', '1', '--target', '1'];
  const { code, out } = await run(process.execPath, [program, ...short, '--only', `${place},1KiB,ping-pong`]);
  expect(code).toBe(0);
  const lines = out.split('\n').filter((line) => /\d\.\d\d \[/.test(line));
  expect(lines.map((line) => /(1KiB \w+|ping-pong) +(\w+)/.exec(line)?.slice(1))).toEqual(
    ['1KiB up', '1KiB down', 'ping-pong'].flatMap((work) => kinds.map((kind) => [work, kind])),
  );
});
