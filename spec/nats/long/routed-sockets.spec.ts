import { describeSocket } from '../../conformance/socket-suite.js';
import { describeNats, natsRoutes, useNatsMedia } from '../../support/nats.js';

describeNats('a socket over other ways through NATS', () => {
  useNatsMedia(natsRoutes);
  for (const medium of natsRoutes) {
    describeSocket(`LockedSocket ${medium}`, `plain ${medium}`);
    for (const cipher of ['node', 'webcrypto'] as const) {
      describeSocket(`EncryptedSocket (${cipher}) ${medium}`, `encrypted ${medium}`, { cipher });
    }
  }
});
