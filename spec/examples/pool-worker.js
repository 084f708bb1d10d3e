// A worker with tasks for the tests of docs/examples/pool.
import { work } from '../../docs/examples/pool/work.js';
import { messages } from './pool-messages.js';

let begun = 0;

work(messages, {
  echo: (number) => {
    begun += 1;
    return number;
  },
  sum: (bytes) => bytes.reduce((sum, byte) => sum + byte, 0),
  begun: () => begun,
  fail: () => {
    throw Object.assign(new Error('not today'), { code: 'NOT_TODAY' });
  },
  hang: () => {
    for (;;);
  },
  crash: () =>
    new Promise(() => {
      setTimeout(() => {
        throw new Error('crashed on request');
      });
    }),
});
