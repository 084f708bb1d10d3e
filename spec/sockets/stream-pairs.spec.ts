import { describeSocket } from '../conformance/socket-suite.js';
import { streamKinds } from '../support/fixture.js';

for (const kind of streamKinds) {
  describeSocket(`LockedSocket over ${kind}`, `plain over ${kind}`);
  for (const cipher of ['node', 'webcrypto'] as const) {
    describeSocket(`EncryptedSocket (${cipher}) over ${kind}`, `encrypted over ${kind}`, { cipher });
  }
}
