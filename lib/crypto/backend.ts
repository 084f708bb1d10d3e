import type { Bytes } from '../util/bytes.js';

/**
 * AES-256-GCM for one record, under one key and one nonce. The methods are those of the ciphers of
 * `node:crypto`, in the order of the calls: `setAAD` once, `update` for each part, `final` once.
 */
interface GcmOperation {
  setAAD(aad: Bytes): unknown;
  /** The output for this part, in a new buffer of the same length. */
  update(part: Bytes): Bytes;
}

/** Encrypts one record. */
export interface GcmCipher extends GcmOperation {
  final(): unknown;
  /** The tag, 16 bytes, once `final` has returned. */
  getAuthTag(): Bytes;
}

/** Decrypts one record. */
export interface GcmDecipher extends GcmOperation {
  setAuthTag(tag: Bytes): unknown;
  /** Throws if the tag is wrong: then the output of `update` must not be used. */
  final(): unknown;
}

/** AES-256-GCM under one key, with asynchronous results. */
export interface AsyncGcm {
  /** The ciphertext with its tag. */
  seal(nonce: Bytes, aad: Bytes, plaintext: Bytes): Promise<Bytes>;
  /** The plaintext, or undefined if the tag is wrong. */
  open(nonce: Bytes, aad: Bytes, sealed: Bytes): Promise<Bytes | undefined>;
}

/** The ephemeral key of one side for ECDH over P-256. A handshake uses it once. */
export interface EphemeralShare {
  /** The public point, uncompressed: 04, X, Y. */
  readonly share: Bytes;
  /**
   * The 32 bytes of the ECDH with the peer's point. Undefined unless that is an uncompressed point
   * of the curve.
   */
  agree(point: Bytes): Bytes | undefined | Promise<Bytes | undefined>;
}

/** The info of one output of HKDF, and its length in bytes. */
export interface KeyInfo {
  readonly info: Bytes;
  readonly length: number;
}

/** The primitives of the handshake and of records, with synchronous results. */
export interface SyncBackend {
  readonly sync: true;
  sha256(data: Bytes): Bytes;
  hmac(key: Bytes, data: Bytes): Bytes;
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Bytes;
  /** Several outputs of HKDF. Their extract step runs once. */
  hkdfAll(ikm: Bytes, salt: Bytes, wanted: readonly KeyInfo[]): Bytes[];
  /** A cipher for one record. The caller uses each pair of key and nonce for one plaintext only. */
  cipher(key: Bytes, nonce: Bytes): GcmCipher;
  decipher(key: Bytes, nonce: Bytes): GcmDecipher;
  /** @param scalar - the private key, for tests only. */
  newShare(scalar?: Bytes): EphemeralShare;
  /** RSA-OAEP with SHA-256 for both hashes. */
  oaepEncrypter(spki: Bytes): (label: Bytes, secret: Bytes) => Bytes;
  /**
   * Decrypts RSA-OAEP. Every kind of invalid ciphertext gives undefined, so that a caller cannot
   * tell them apart.
   */
  oaepDecrypter(pkcs8: Bytes): (label: Bytes, ciphertext: Bytes) => Bytes | undefined;
}

/** The primitives with asynchronous results. RSA belongs to the keys there. */
export interface AsyncBackend {
  readonly sync: false;
  sha256(data: Bytes): Promise<Bytes>;
  hmac(key: Bytes, data: Bytes): Promise<Bytes>;
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes>;
  hkdfAll(ikm: Bytes, salt: Bytes, wanted: readonly KeyInfo[]): Promise<Bytes[]>;
  gcm(key: Bytes): Promise<AsyncGcm>;
  newShare(): Promise<EphemeralShare>;
}

export type Backend = SyncBackend | AsyncBackend;
