// Finds the program nats-server.
export { findNatsServer } from '../../docs/examples/nats/nats-server.js';

/** What to say where there is none. */
export const whyNoNats = `there is no nats-server in PATH or NATS_SERVER.
  Debian, without a daemon: apt-get download nats-server && dpkg-deb -x nats-server_*.deb nats
  then: export NATS_SERVER=$PWD/nats/usr/sbin/nats-server`;
