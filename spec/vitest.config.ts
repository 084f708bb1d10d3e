import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'spec',
    include: ['**/*.spec.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
  },
});
