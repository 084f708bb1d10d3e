import { describeTransport } from '../conformance/transport-suite.js';
import { describeNats, natsMedia, natsPair, useNatsMedia } from '../support/nats.js';

describeNats('a transport', () => {
  useNatsMedia();
  for (const medium of natsMedia) {
    describeTransport(medium, () => natsPair(medium), {
      halfClose: true,
      reset: true,
      inFlight: 384 * 1024,
    });
  }
});
