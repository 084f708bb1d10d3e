import { toTransport, type Carrier } from '../../lib/transport/to-transport.js';
import { describeTransport, type TransportPair } from '../conformance/transport-suite.js';
import {
  childPairs,
  nodeStreamPairs,
  tcpPair,
  tlsPair,
  unixPair,
  webStreamPairs,
  webTcpPairs,
} from '../support/streams.js';

interface Ends {
  readonly near: Carrier;
  readonly far: Carrier;
  readonly dispose: () => Promise<void>;
}

const over = (make: () => Ends | Promise<Ends>) => async (): Promise<TransportPair> => {
  const { near, far, dispose } = await make();
  return { near: toTransport(near), far: toTransport(far), dispose };
};

// The buffers of the system grow on loopback, up to net.ipv4.tcp_rmem and tcp_wmem.
const inFlight = 32 * 1024 * 1024;
const inMemory = 128 * 1024;

describeTransport('TCP', over(tcpPair), { halfClose: true, reset: true, inFlight });
describeTransport('TLS', over(tlsPair), { halfClose: true, reset: false, inFlight });
describeTransport('a Unix socket', over(unixPair), { halfClose: true, reset: false, inFlight });
describeTransport('Web Streams', over(webStreamPairs), {
  halfClose: true,
  reset: true,
  inFlight: inMemory,
});
describeTransport('Web Streams over TCP', over(webTcpPairs), { halfClose: true, reset: true, inFlight });
describeTransport('two Node streams', over(nodeStreamPairs), { halfClose: true, reset: false, inFlight });
describeTransport('stdio and an extra pipe of a child', over(childPairs), {
  halfClose: true,
  reset: false,
  inFlight,
});
