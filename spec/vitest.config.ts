import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'spec',
    include: ['**/*.spec.ts'],
    setupFiles: ['spec/support/unexpected-warnings.ts'],
    pool: 'forks',
    // Many tests wait for other processes: one worker a core is not too many.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
  },
});
