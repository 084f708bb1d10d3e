// Says at the end of `npm test` which suites it does not run.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

console.log(`
Not run here, because they need more than Node:
  npm run test:browser    Chromium: the one in PATH or CHROMIUM
  npm run test:runtimes   Node 20 to 26, Bun and Deno, each with each, from the npm registry; Chromium`);

const { NATS_SERVER = '', PATH = '' } = process.env;
const inPath = PATH.split(delimiter).some((folder) => existsSync(join(folder, 'nats-server')));
if (NATS_SERVER === '' && !inPath) {
  console.log(`
Skipped, because there is no nats-server in PATH or NATS_SERVER: the tests in spec/nats/.
  Debian, without a daemon: apt-get download nats-server && dpkg-deb -x nats-server_*.deb nats
  then: NATS_SERVER=$PWD/nats/usr/sbin/nats-server npm test`);
}
