export {
  type GenerateKeyPairOptions,
  KeyPair,
  type KeyPairSource,
  checkKeyPairSource,
  generateKeyPair,
  importKeyPair,
} from './key-pair.js';
export {
  PublicKey,
  type PublicKeySource,
  checkServerKeySource,
  fingerprintOf,
  importPublicKey,
  parseFingerprint,
} from './public-key.js';
export type { CryptoKeyLike, CryptoKeyPairLike } from './suite.js';
