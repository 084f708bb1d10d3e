import type { Bytes } from '../bytes.js';

/** AES-256-GCM under one key, answering at once. */
export interface SyncGcm {
  /** The ciphertext, a part for each part, and last the tag of 16 bytes. */
  seal(nonce: Bytes, aad: Bytes, parts: readonly Bytes[]): Bytes[];
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

/** The symmetric primitives, answering at once. */
export interface SyncBackend {
  readonly sync: true;
  sha256(data: Bytes): Bytes;
  hmac(key: Bytes, data: Bytes): Bytes;
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Bytes;
  gcm(key: Bytes): SyncGcm;
}

/** The symmetric primitives, answering later. */
export interface AsyncBackend {
  readonly sync: false;
  sha256(data: Bytes): Promise<Bytes>;
  hmac(key: Bytes, data: Bytes): Promise<Bytes>;
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes>;
  gcm(key: Bytes): Promise<AsyncGcm>;
}

export type Backend = SyncBackend | AsyncBackend;
