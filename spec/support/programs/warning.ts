// Some of these tests cause warnings, for spec/support/warnings.spec.ts. The titles name the
// results.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { recordStderr, takeWarnings } from '../warnings.js';

it('passes without a warning', () => {
  expect(process.listenerCount('warning')).toBe(1);
});

it('passes when it takes its warning', async () => {
  process.emitWarning('taken', { code: 'TAKEN' });
  expect((await takeWarnings()).map(({ code, message }) => [code, message])).toEqual([['TAKEN', 'taken']]);
});

it('fails with a warning of the process', () => {
  process.emitWarning('stray', { code: 'STRAY' });
});

it('fails with a warning that comes after it took another', async () => {
  process.emitWarning('taken');
  await takeWarnings();
  process.emitWarning('stray');
});

it('fails with a line on the console', () => {
  console.error('stray %d', 1);
});

it('fails with what a child process writes to its standard error', async () => {
  const child = spawn(process.execPath, ['-e', 'process.emitWarning("stray")'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  recordStderr(child);
  await once(child, 'close');
});

it('passes after one that failed', () => {
  expect(process.listenerCount('warning')).toBe(1);
});
