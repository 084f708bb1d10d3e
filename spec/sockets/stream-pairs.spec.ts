import { describeSocket } from '../conformance/socket-suite.js';

for (const medium of ['over Web Streams', 'over Node streams', 'over pipes of a child'] as const) {
  describeSocket(`LockedSocket ${medium}`, `plain ${medium}`);
  for (const cipher of ['node', 'webcrypto'] as const) {
    describeSocket(`EncryptedSocket (${cipher}) ${medium}`, `encrypted ${medium}`, { cipher });
  }
}
