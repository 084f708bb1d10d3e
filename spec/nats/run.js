// Runs the long tests over NATS: spec/nats/long/*.spec.ts.
//
//     npm run test:nats
//     npm run test:nats -- --required     fails where there is no nats-server, as with CI=true
//
// All other arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findNatsServer, whyNoNats } from './find-server.js';

const args = process.argv.slice(2);
const required = args.includes('--required') || !['', undefined, 'false'].includes(process.env.CI);
if (findNatsServer() === undefined) {
  console.log(`skipped: ${whyNoNats}`);
  process.exit(required ? 1 : 0);
}
const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'spec/nats/vitest.config.ts'];
const { status } = spawnSync(process.execPath, [...vitest, ...args.filter((each) => each !== '--required')], {
  cwd: fileURLToPath(new URL('../../', import.meta.url)),
  stdio: 'inherit',
});
process.exit(status ?? 1);
