export {
  type GenerateKeyPairOptions,
  KeyPair,
  type KeyPairSource,
  generateKeyPair,
  importKeyPair,
} from './key-pair.js';
export {
  PublicKey,
  type PublicKeySource,
  fingerprintOf,
  importPublicKey,
  parseFingerprint,
} from './public-key.js';
export type { CryptoKeyLike, CryptoKeyPairLike } from './suite.js';
