import { describeSocket } from '../conformance/socket-suite.js';
import { describeTransport } from '../conformance/transport-suite.js';
import { describeNats, natsPair, remoteNatsMedia, useRemoteNatsMedia } from '../support/nats.js';

describeNats('between two nats-servers, and over a WebSocket,', () => {
  useRemoteNatsMedia();
  for (const medium of remoteNatsMedia) {
    const abilities = { halfClose: true, reset: true, inFlight: 384 * 1024 };
    describeTransport(`a transport ${medium}`, () => natsPair(medium), abilities);
    describeSocket(`LockedSocket ${medium}`, `plain ${medium}`);
    for (const cipher of ['node', 'webcrypto'] as const) {
      describeSocket(`EncryptedSocket (${cipher}) ${medium}`, `encrypted ${medium}`, { cipher });
    }
  }
});
