// A server in the parent, and a client in its worker: each connection is a MessagePort. The argument is
// the kind of worker: `node:worker_threads` or `Worker`, that of the web.
import * as k4net from 'k4net';
import process from 'node:process';
import { Worker as NodeWorker } from 'node:worker_threads';
import { LocalServers } from '../servers/local.js';
import { startServers } from '../services.js';

const servers = new LocalServers(k4net);
const { described, close } = await startServers(k4net, { port: servers.open });

const onMessage = async ({ address, port, report }) => {
  if (report) {
    await close();
    // A worker of the web waits for more messages.
    if (worker.onmessage) worker.terminate();
    console.log(JSON.stringify(report));
  } else if (!servers.accept(address, port)) {
    port.close();
  }
};

const program = new URL('worker.js', import.meta.url);
let worker;
if (process.argv[2] === 'Worker') {
  worker = new Worker(program, { type: 'module' });
  worker.onmessage = ({ data }) => void onMessage(data);
} else {
  worker = new NodeWorker(program);
  worker.on('message', onMessage);
}
worker.postMessage({ fingerprint: described.fingerprint, addresses: described.carriers.port });
