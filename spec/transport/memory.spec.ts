import { memoryPair } from '../../lib/transport/memory.js';
import { describeTransport } from '../conformance/transport-suite.js';

describeTransport(
  'a pair in memory',
  () => {
    const [near, far] = memoryPair();
    return Promise.resolve({ near, far });
  },
  { halfClose: true, reset: true, inFlight: 128 * 1024 },
);
