// The client in a page or a worker of Chromium. The test calls `place` of the global scope.
import * as k4net from '/k4net/index.js';
import { runCases } from '../cases.js';
import { runLocal, runParent } from './inside.js';
import { missingIn } from './missing.js';

const place = {
  talk: ({ fingerprint, addresses }) =>
    runCases({
      k4net,
      open: k4net.connect,
      ...addresses,
      fingerprint,
      missing: missingIn(k4net),
    }),
  local: (carrier) => runLocal(k4net, carrier),
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
