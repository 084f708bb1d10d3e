import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { describeSocket } from '../conformance/socket-suite.js';
import { tcpPair } from '../support/streams.js';

describeSocket('LockedSocket in memory', (nearOptions, farOptions) => {
  const [near, far] = memoryPair();
  return Promise.resolve({
    near: new LockedSocket(near, nearOptions),
    far: new LockedSocket(far, farOptions),
    cut: () => {
      near.abort();
    },
  });
});

describeSocket('LockedSocket over TCP', async (nearOptions, farOptions) => {
  const { near, far, dispose } = await tcpPair();
  return {
    near: new LockedSocket(near, nearOptions),
    far: new LockedSocket(far, farOptions),
    cut: () => {
      near.resetAndDestroy();
    },
    dispose,
  };
});
