import type { Bytes } from '../util/bytes.js';

/** What the synchronous cipher makes of a plaintext. All of it is new, and nobody else's. */
export interface Sealed {
  /** The ciphertext, a part for each part. */
  readonly parts: readonly Bytes[];
  /** 16 bytes. */
  readonly tag: Bytes;
}

/** AES-256-GCM under one key, answering at once. */
export interface SyncGcm {
  seal(nonce: Bytes, aad: Bytes, parts: readonly Bytes[]): Sealed;
  /** The plaintext, a part for each part, or undefined where the tag is wrong. */
  open(nonce: Bytes, aad: Bytes, parts: readonly Bytes[], tag: Bytes): Bytes[] | undefined;
}

/** AES-256-GCM under one key, answering later. */
export interface AsyncGcm {
  /** The ciphertext with its tag. */
  seal(nonce: Bytes, aad: Bytes, plaintext: Bytes): Promise<Bytes>;
  /** The plaintext, or undefined where the tag is wrong. */
  open(nonce: Bytes, aad: Bytes, sealed: Bytes): Promise<Bytes | undefined>;
}

/** One side's ephemeral key of the ECDH over P-256, to be used once. */
export interface EphemeralShare {
  /** The public point, uncompressed: 04, X, Y. */
  readonly share: Bytes;
  /**
   * The 32 bytes of the ECDH with the peer's point; undefined where the point is none of the curve's, or not in the one
   * form that the protocol knows.
   */
  agree(point: Bytes): Bytes | undefined | Promise<Bytes | undefined>;
}

/** What one output of HKDF is for, and its bytes. */
export interface KeyInfo {
  readonly info: Bytes;
  readonly length: number;
}

/** The primitives of a handshake and of records, answering at once. */
export interface SyncBackend {
  readonly sync: true;
  sha256(data: Bytes): Bytes;
  hmac(key: Bytes, data: Bytes): Bytes;
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Bytes;
  /** Several outputs, whose common half is worked out once. */
  hkdfAll(ikm: Bytes, salt: Bytes, wanted: readonly KeyInfo[]): Bytes[];
  gcm(key: Bytes): SyncGcm;
  /** @param scalar - the private half, for tests only. */
  newShare(scalar?: Bytes): EphemeralShare;
  /** RSA-OAEP with SHA-256 for both hashes. */
  oaepEncrypter(spki: Bytes): (label: Bytes, secret: Bytes) => Bytes;
  /** Opens the same; undefined for anything that is wrong with a ciphertext: there is no telling what. */
  oaepDecrypter(pkcs8: Bytes): (label: Bytes, ciphertext: Bytes) => Bytes | undefined;
}

/** The primitives, answering later. RSA is with the keys. */
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
