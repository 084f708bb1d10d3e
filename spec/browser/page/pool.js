// Makes pools in a page, with the workers of spec/examples/pool-worker.js.
import { Pool } from '/docs/examples/pool/pool.js';
import { messages } from '/spec/examples/pool-messages.js';

globalThis.newPool = (options) => {
  let count = 0;
  const start = () => {
    count += 1;
    return new Worker('/spec/examples/pool-worker.js', { type: 'module' });
  };
  return { pool: new Pool(start, messages, { size: 2, ...options }), started: () => count };
};
globalThis.placeReady = true;
