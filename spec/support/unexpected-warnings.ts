// Runs before each spec file. A warning that no test takes fails the test that caused it.
import { afterAll, afterEach, expect } from 'vitest';
import { recordWarnings, takeWarnings } from './warnings.js';

async function expectNone(): Promise<void> {
  const unexpected = await takeWarnings();
  expect(unexpected.map(String), 'warnings that the test has not taken').toEqual([]);
}

const printAgain = recordWarnings();

afterEach(expectNone);
afterAll(async () => {
  try {
    await expectNone();
  } finally {
    printAgain();
  }
});
