// The worker of ./parent.js.
import * as k4net from 'k4net';
import { parentPort } from 'node:worker_threads';
import { runInWorker } from './inside.js';

const inNodeWorker = typeof WorkerGlobalScope === 'undefined' || parentPort !== null;
const parent = inNodeWorker ? parentPort : self;
const start = await new Promise((resolve) => {
  if (inNodeWorker) parent.once('message', resolve);
  else self.onmessage = ({ data }) => resolve(data);
});
await runInWorker(k4net, (message, transfer) => parent.postMessage(message, transfer), start);
