// The suites that every transport, socket and store must pass, in a page or a worker.
import { describeKnownHosts } from '../../conformance/known-hosts-suite.js';
import { describeSocket } from '../../conformance/socket-suite.js';
import { describeTransport } from '../../conformance/transport-suite.js';
import { indexedDbKnownHosts } from '../../../lib/trust/indexed-db.js';
import type { SocketKind } from '../../support/fixture.js';
import { carriers } from './carriers.js';
import { publishTests } from './vitest.js';

for (const { where, open, abilities } of carriers) {
  describeTransport(`two transports ${where}`, open, abilities);
  for (const form of ['plain', 'encrypted']) {
    describeSocket(`${form} sockets ${where}`, `${form} ${where}` as SocketKind);
  }
}

let stores = 0;
describeKnownHosts('in IndexedDB', () => {
  stores += 1;
  return indexedDbKnownHosts(`store-${stores}`);
});

publishTests();
