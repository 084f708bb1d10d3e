// Runs the tests that need a browser: spec/browser/*.spec.ts.
//
//     npm run test:browser
//     npm run test:browser -- --required     fails where there is no Chromium, as with CI=true
//
// All other arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findChromium } from './chromium.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const args = process.argv.slice(2);
const required = args.includes('--required') || !['', undefined, 'false'].includes(process.env.CI);

function run(command, ...words) {
  const { status } = spawnSync(command, words, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  return status ?? 1;
}

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(required ? 1 : 0);
}

async function hasPlaywright() {
  return import('playwright-core').then(
    () => true,
    () => false,
  );
}

if (!findChromium()) skip('no Chromium; install it or set CHROMIUM');
const install = [
  'ci',
  '--prefix',
  'spec/browser',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
];
if (!(await hasPlaywright()) && run('npm', ...install) !== 0) skip('playwright-core cannot be installed');
process.exit(
  run(
    process.execPath,
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'spec/browser/vitest.config.ts',
    ...args.filter((each) => each !== '--required'),
  ),
);
