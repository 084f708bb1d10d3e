import { describeSocket } from '../../conformance/socket-suite.js';
import { describeNats, natsMedia, useNatsMedia } from '../../support/nats.js';

describeNats('a socket', () => {
  useNatsMedia(natsMedia);
  for (const medium of natsMedia) {
    describeSocket(`LockedSocket ${medium}`, `plain ${medium}`);
    for (const cipher of ['node', 'webcrypto'] as const) {
      describeSocket(`EncryptedSocket (${cipher}) ${medium}`, `encrypted ${medium}`, { cipher });
    }
  }
});
