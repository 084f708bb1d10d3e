import { describeSocket } from '../conformance/socket-suite.js';

for (const cipher of ['node', 'webcrypto'] as const) {
  describeSocket(`EncryptedSocket (${cipher}) in memory`, 'encrypted in memory', { cipher });
  describeSocket(`EncryptedSocket (${cipher}) over TCP`, 'encrypted over TCP', { cipher });
  describeSocket(`EncryptedSocket (${cipher}) over WebSocket`, 'encrypted over WebSocket', { cipher });
  describeSocket(`EncryptedSocket (${cipher}) over MessagePort`, 'encrypted over MessagePort', { cipher });
}
