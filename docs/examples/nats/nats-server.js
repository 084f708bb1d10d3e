// Starts a nats-server for the example: the broker between clients and instances.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What to do where there is no nats-server. */
export const howToInstall = `There is no nats-server: put it in PATH, or set NATS_SERVER to its path.
  Debian, without a daemon: apt-get download nats-server && dpkg-deb -x nats-server_*.deb nats
                            export NATS_SERVER=$PWD/nats/usr/sbin/nats-server
  macOS:                    brew install nats-server
  others:                   https://github.com/nats-io/nats-server/releases`;

/** The program: that of `NATS_SERVER`, or the one in `PATH`; undefined without one. */
export function findNatsServer() {
  const { NATS_SERVER, PATH = '' } = process.env;
  if (NATS_SERVER) return NATS_SERVER;
  return PATH.split(delimiter)
    .map((folder) => join(folder, 'nats-server'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Only loopback, and free ports. Pages come over the WebSocket; elsewhere than here with TLS. */
const config = `
host: "127.0.0.1"
port: -1
websocket: { host: "127.0.0.1", port: -1, no_tls: true }
`;

/**
 * Starts a nats-server. It ends with this process, or with `stop`.
 *
 * @returns {Promise<{ url: string, webSocketUrl: string, pid: number, stop(): Promise<void> }>}
 */
export async function startNatsServer() {
  const program = findNatsServer();
  if (program === undefined) throw new Error(howToInstall);
  const folder = await mkdtemp(join(tmpdir(), 'k4net-nats-'));
  const file = join(folder, 'nats.conf');
  await writeFile(file, config);
  // A group of its own: a Ctrl-C must not end it before those that need it.
  const child = spawn(program, ['-c', file], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    const { url, webSocketUrl } = await ready(child);
    // It goes on to write its log, which nobody needs.
    child.stderr.resume();
    return {
      url,
      webSocketUrl,
      pid: child.pid,
      async stop() {
        process.off('exit', kill);
        kill();
        await exited;
      },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Waits until it accepts connections. Its log says the ports. */
async function ready(child) {
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const ended = once(child, 'exit');
  while (!log.includes('Server is ready')) {
    const [chunk] = await Promise.race([once(child.stderr, 'data'), ended]);
    if (child.exitCode !== null || chunk === null) throw new Error(`nats-server ended:\n${log}`);
  }
  child.stderr.removeAllListeners('data');
  const address = (pattern) => pattern.exec(log)?.[1];
  return {
    url: `nats://${address(/client connections on (\S+)/)}`,
    webSocketUrl: address(/websocket clients on (\S+)/),
  };
}
