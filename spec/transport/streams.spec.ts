import { DuplexTransport } from '../../lib/transport/duplex.js';
import { describeTransport, type TransportPair } from '../conformance/transport-suite.js';
import { stdioPair, tcpPair, tlsPair, unixPair, type StreamPair } from '../support/streams.js';

const over = (make: () => Promise<StreamPair>) => async (): Promise<TransportPair> => {
  const { near, far, dispose } = await make();
  return { near: new DuplexTransport(near), far: new DuplexTransport(far), dispose };
};

// The buffers of the system grow on loopback, up to net.ipv4.tcp_rmem and tcp_wmem.
const inFlight = 32 * 1024 * 1024;

describeTransport('TCP', over(tcpPair), { halfClose: true, reset: true, inFlight });
describeTransport('TLS', over(tlsPair), { halfClose: true, reset: false, inFlight });
describeTransport('a Unix socket', over(unixPair), { halfClose: true, reset: false, inFlight });
describeTransport('standard streams of a child', over(stdioPair), {
  halfClose: true,
  reset: false,
  inFlight,
});
