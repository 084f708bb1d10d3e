import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root, run } from './dist.js';

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

it('a warning that no test has taken fails the test that gave it, and is not printed apart', async () => {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const config = 'spec/support/programs/vitest.config.ts';
  const args = [vitest, 'run', '--config', config, '--reporter', 'json'];
  const { code, out, err } = await run(process.execPath, args);
  const { testResults } = JSON.parse(out) as Report;
  const outcomes = testResults.flatMap(({ assertionResults }) => assertionResults);
  expect(outcomes.length).toBe(7);
  for (const { title, status } of outcomes) {
    expect({ title, status }).toEqual({ title, status: title.startsWith('passes') ? 'passed' : 'failed' });
  }
  expect({ code, err }).toEqual({ code: 1, err: '' });
});
