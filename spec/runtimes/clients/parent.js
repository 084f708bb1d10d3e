// A server in the parent and a client in its worker, in Node, Bun or Deno. The argument is the kind
// of worker: `node:worker_threads` or `Worker`, that of the web.
import * as k4net from 'k4net';
import process from 'node:process';
import { Worker as NodeWorker } from 'node:worker_threads';
import { runParent } from './inside.js';

const program = new URL('worker.js', import.meta.url);

function startNodeWorker() {
  const worker = new NodeWorker(program);
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.on('message', listener),
    // The worker must end by itself.
    end: () => undefined,
  };
}

function startWorker() {
  const worker = new Worker(program, { type: 'module' });
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => (worker.onmessage = ({ data }) => listener(data)),
    // A worker of the web waits for more messages.
    end: () => worker.terminate(),
  };
}

const worker = process.argv[2] === 'Worker' ? startWorker() : startNodeWorker();
const report = await runParent(k4net, worker);
worker.end();
console.log(JSON.stringify(report));
