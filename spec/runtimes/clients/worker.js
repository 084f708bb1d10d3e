// The client of ./parent.js.
import * as k4net from 'k4net';
import { parentPort } from 'node:worker_threads';
import { runCases } from '../cases.js';
import { openOver } from './over-carrier.js';

const inNodeWorker = typeof WorkerGlobalScope === 'undefined' || parentPort !== null;
const { fingerprint, addresses } = await new Promise((resolve) => {
  if (inNodeWorker) parentPort.once('message', resolve);
  else self.onmessage = ({ data }) => resolve(data);
});
const post = (message, transfer) => (inNodeWorker ? parentPort : self).postMessage(message, transfer);

const makeCarrier = (address) => {
  const { port1, port2 } = new MessageChannel();
  post({ address, port: port2 }, [port2]);
  return port1;
};
const report = await runCases({
  k4net,
  open: openOver(k4net, makeCarrier),
  ...addresses,
  fingerprint,
  missing: [],
});
post({ report }, []);
