// Client and server in one program of Node, Bun or Deno. The argument is the carrier.
import * as k4net from 'k4net';
import process from 'node:process';
import { runCases } from '../cases.js';
import { LocalServers } from '../servers/local.js';
import { startServers } from '../services.js';
import { openOver } from './over-carrier.js';

const pairs = {
  memory: () => k4net.memoryPair(),
  port: () => {
    const { port1, port2 } = new MessageChannel();
    return [port1, port2];
  },
  'Web Streams': () => {
    const [up, down] = [new TransformStream(), new TransformStream()];
    return [
      { readable: down.readable, writable: up.writable },
      { readable: up.readable, writable: down.writable },
    ];
  },
};

const makePair = pairs[process.argv[2]];
const servers = new LocalServers(k4net);
const { described, close } = await startServers(k4net, { local: servers.open });
const makeCarrier = (address) => {
  const [near, far] = makePair();
  if (servers.accept(address, far)) return near;
  throw new k4net.K4netError('K4NET_CONNECT', `no server has the address ${address}`);
};
const report = await runCases({
  k4net,
  open: openOver(k4net, makeCarrier),
  ...described.carriers.local,
  fingerprint: described.fingerprint,
  missing: [],
});
await close();
console.log(JSON.stringify(report));
