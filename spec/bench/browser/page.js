// The client in a page.
import { makeClient } from './client.js';

globalThis.client = makeClient({
  // The options of `ws` are none of a browser's.
  WebSocket: function (url) {
    return new WebSocket(url);
  },
  library: (build) => import(`/${build}/index.js`),
  startWorker: (build) =>
    new Worker(build ? `/bench/page-worker.js?${build}` : '/bench/bare-worker.js', { type: 'module' }),
});
globalThis.placeReady = true;
