// The client in a page or a worker of Chromium. The test calls `place` of the global scope.
import * as k4net from '/k4net/index.js';
import { runCases } from '../cases.js';
import { runLocal, runParent } from './inside.js';

const missing = [
  [() => k4net.connect({ port: 9000, pin: `sha256:${'0'.repeat(64)}` }), 'build for browsers'],
  [() => k4net.connect({ path: '/tmp/socket', plain: true }), 'build for browsers'],
  [() => k4net.listen({ port: 0, ephemeralKey: true }), 'build for browsers'],
];

const place = {
  talk: ({ fingerprint, addresses }) =>
    runCases({
      k4net,
      open: k4net.connect,
      ...addresses,
      fingerprint,
      missing,
    }),
  local: (carrier) => runLocal(k4net, carrier, missing),
  async parent() {
    const worker = new Worker(new URL('page-worker.js', import.meta.url), { type: 'module' });
    const report = await runParent(k4net, {
      post: (message) => worker.postMessage(message),
      onMessage: (listener) => (worker.onmessage = ({ data }) => listener(data)),
    });
    worker.terminate();
    return report;
  },
};
Object.assign(globalThis, { place, placeReady: true });
