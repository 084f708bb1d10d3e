import { describeTransport } from '../../conformance/transport-suite.js';
import { describeNats, natsMedia, natsPair, natsRoutes, useNatsMedia } from '../../support/nats.js';

const media = [...natsMedia, ...natsRoutes];

describeNats('a transport', () => {
  useNatsMedia(media);
  for (const medium of media) {
    describeTransport(medium, () => natsPair(medium), {
      halfClose: true,
      reset: true,
      inFlight: 384 * 1024,
    });
  }
});
