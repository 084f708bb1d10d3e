// Says at the end of `npm test` which suites it does not run.
import { findNatsServer, whyNoNats } from '../nats/find-server.js';

console.log(`
Not run here, because they need more time, or more than Node:
  npm run test:nats       fault tests and long suites over NATS: nats-server in PATH or NATS_SERVER
  npm run test:browser    Chromium: the one in PATH or CHROMIUM
  npm run test:runtimes   Node 20 to 26, Bun and Deno, each with each, from the npm registry; Chromium`);

if (findNatsServer() === undefined) {
  console.log(`
Skipped, with the short tests over NATS in spec/nats/: ${whyNoNats}`);
}
