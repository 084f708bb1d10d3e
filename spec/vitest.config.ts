import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { seamSources } from './support/seams.js';

const root = new URL('../', import.meta.url);

export default defineConfig({
  resolve: {
    // Tests run the sources of lib/ directly, with the form of each seam that is for Node.
    // Examples import the package by its name.
    alias: [...seamSources, ['k4net', ['lib/index.ts']] as const].map(([name, files]) => ({
      find: new RegExp(`^${name}$`),
      replacement: fileURLToPath(new URL(files[0], root)),
    })),
  },
  test: {
    dir: 'spec',
    include: ['**/*.spec.ts'],
    // `npm run test:browser`, which needs Chromium, and `npm run test:nats`, which takes minutes.
    exclude: ['browser/**', 'nats/long/**', '**/node_modules/**'],
    setupFiles: ['spec/support/unexpected-warnings.ts'],
    pool: 'forks',
    // Many tests wait for other processes: one worker a core is not too many.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
    coverage: { provider: 'v8', include: ['lib/**'], reportsDirectory: 'coverage' },
  },
});
