// Installs the packages of the lock file if they are missing or older than it. Otherwise it does
// nothing, so that a fresh clone passes `npm test` and every later run of it starts at once.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, utimesSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const lock = `${root}package-lock.json`;
// npm writes this file at the end of every install.
const installed = `${root}node_modules/.package-lock.json`;

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
  // npm leaves the file as it is if there was nothing to install.
  utimesSync(installed, new Date(), new Date());
}
