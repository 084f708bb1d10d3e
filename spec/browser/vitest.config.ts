import { defineConfig, mergeConfig } from 'vitest/config';
import all from '../vitest.config.js';

// These tests need Chromium: see run.js.
export default mergeConfig(
  { ...all, test: { ...all.test, exclude: undefined } },
  defineConfig({ test: { dir: 'spec/browser', testTimeout: 60_000, hookTimeout: 60_000 } }),
);
