import type { KeyPair } from '../../lib/crypto/key-pair.js';
import { keyPair } from '../session/vectors.js';

/** The keys of the test vectors: no test waits for key generation. */
export const keys: Readonly<Record<'server' | 'other' | 'ec' | 'rsa', KeyPair>> = {
  server: await keyPair('server2048'),
  other: await keyPair('reference2048'),
  ec: await keyPair('clientEc'),
  rsa: await keyPair('clientRsa2048'),
};
