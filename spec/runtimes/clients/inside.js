// Runs the cases with client and server in one program, or in a worker and its parent. It needs
// only the APIs of the web.
import { runCases } from '../cases.js';
import { LocalServers } from '../servers/local.js';
import { startServers } from '../services.js';
import { missingIn } from './missing.js';
import { openOver } from './over-carrier.js';

const pairs = {
  memory: ({ memoryPair }) => memoryPair(),
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

/** @param carrier - a name of `pairs` */
export async function runLocal(k4net, carrier) {
  const servers = new LocalServers(k4net);
  const { described, close } = await startServers(k4net, { local: servers.open });
  const makeCarrier = (address) => {
    const [near, far] = pairs[carrier](k4net);
    if (servers.accept(address, far)) return near;
    throw new k4net.K4netError('K4NET_CONNECT', `no server has the address ${address}`);
  };
  const report = await runCases({
    k4net,
    open: openOver(k4net, makeCarrier),
    ...described.carriers.local,
    fingerprint: described.fingerprint,
    missing: missingIn(k4net),
  });
  await close();
  return report;
}

/**
 * The parent of a worker that calls `runInWorker`. Each connection is a MessagePort.
 *
 * @param parent - { post, onMessage } of the parent's side of the worker
 */
export async function runParent(k4net, { post, onMessage }) {
  const servers = new LocalServers(k4net);
  const { described, close } = await startServers(k4net, { port: servers.open });
  const report = await new Promise((resolve) => {
    onMessage(({ address, port, report: received }) => {
      if (received) resolve(received);
      else if (!servers.accept(address, port)) port.close();
    });
    post({ fingerprint: described.fingerprint, addresses: described.carriers.port });
  });
  await close();
  return report;
}

/**
 * The client of `runParent`.
 *
 * @param post - (message, transfer) to the parent
 * @param start - the first message of the parent
 */
export async function runInWorker(k4net, post, { fingerprint, addresses }) {
  const makeCarrier = (address) => {
    const { port1, port2 } = new MessageChannel();
    post({ address, port: port2 }, [port2]);
    return port1;
  };
  const open = openOver(k4net, makeCarrier);
  const report = await runCases({ k4net, open, ...addresses, fingerprint, missing: missingIn(k4net) });
  post({ report }, []);
}
