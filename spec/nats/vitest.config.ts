import { defineConfig, mergeConfig } from 'vitest/config';
import all from '../vitest.config.js';

// These tests need nats-server, and processes that are killed and waited for: see run.js.
export default mergeConfig(
  { ...all, test: { ...all.test, exclude: undefined } },
  defineConfig({ test: { dir: 'spec/nats/long', testTimeout: 60_000, hookTimeout: 60_000 } }),
);
