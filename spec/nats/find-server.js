// Finds the program nats-server.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What to say where there is none. */
export const whyNoNats = `there is no nats-server in PATH or NATS_SERVER.
  Debian, without a daemon: apt-get download nats-server && dpkg-deb -x nats-server_*.deb nats
  then: export NATS_SERVER=$PWD/nats/usr/sbin/nats-server`;

/**
 * The nats-server of the machine: `NATS_SERVER`, or the one in `PATH`.
 *
 * @returns {string | undefined} its path.
 */
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
