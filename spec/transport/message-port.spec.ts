import { MessageChannel } from 'node:worker_threads';
import { MessagePortTransport } from '../../lib/transport/message-port.js';
import { describeTransport } from '../conformance/transport-suite.js';

describeTransport(
  'a MessagePort',
  () => {
    const { port1, port2 } = new MessageChannel();
    const pair = { near: new MessagePortTransport(port1), far: new MessagePortTransport(port2) };
    return Promise.resolve(pair);
  },
  { halfClose: true, reset: true, inFlight: 256 * 1024 },
);
