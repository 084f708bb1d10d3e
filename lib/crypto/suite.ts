import { type Bytes, ascii, noBytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { isCurvePoint } from './curve.js';
import type { AsyncBackend, AsyncGcm, EphemeralShare, KeyInfo } from './backend.js';

/** The part of a `CryptoKey` that the library uses. */
export interface CryptoKeyLike {
  readonly type: string;
  readonly extractable: boolean;
  readonly algorithm: { readonly name: string };
  readonly usages: readonly string[];
}

/** The part of a `CryptoKeyPair` that the library uses. */
export interface CryptoKeyPairLike {
  readonly privateKey: CryptoKeyLike;
  readonly publicKey: CryptoKeyLike;
}

type Algorithm = string | ({ readonly name: string } & Readonly<Record<string, unknown>>);

// The part of WebCrypto that the library uses: its types must not need another package.
interface Subtle {
  digest(algorithm: string, data: Bytes): Promise<ArrayBuffer>;
  importKey(
    format: string,
    data: Bytes,
    algorithm: Algorithm,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<CryptoKeyLike>;
  exportKey(format: string, key: CryptoKeyLike): Promise<ArrayBuffer>;
  generateKey(
    algorithm: Algorithm,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<CryptoKeyPairLike>;
  deriveBits(algorithm: Algorithm, key: CryptoKeyLike, length: number): Promise<ArrayBuffer>;
  encrypt(algorithm: Algorithm, key: CryptoKeyLike, data: Bytes): Promise<ArrayBuffer>;
  decrypt(algorithm: Algorithm, key: CryptoKeyLike, data: Bytes): Promise<ArrayBuffer>;
  sign(algorithm: Algorithm, key: CryptoKeyLike, data: Bytes): Promise<ArrayBuffer>;
  verify(algorithm: Algorithm, key: CryptoKeyLike, signature: Bytes, data: Bytes): Promise<boolean>;
}

interface WebCrypto {
  readonly subtle?: Subtle;
  getRandomValues(bytes: Bytes): Bytes;
}

const sha256Name = 'SHA-256';
const oaep = { name: 'RSA-OAEP', hash: sha256Name };
const pss = { name: 'RSA-PSS', hash: sha256Name };
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
const ecdh = { name: 'ECDH', namedCurve: 'P-256' };
const ecdsaSignature = { name: 'ECDSA', hash: sha256Name };
const pssSignature = { name: 'RSA-PSS', saltLength: 32 };
const publicExponent = new Uint8Array([1, 0, 1]);

function webCrypto(): WebCrypto {
  const { crypto } = globalThis as { readonly crypto?: WebCrypto };
  if (crypto) return crypto;
  throw new K4netError('K4NET_UNSUPPORTED', 'this runtime has no WebCrypto');
}

function subtle(): Subtle {
  const { subtle: found } = webCrypto();
  if (found) return found;
  const message = 'the page is not secure, so it has no crypto.subtle: serve it over https or from localhost';
  throw new K4netError('K4NET_UNSUPPORTED', message);
}

/**
 * Checks that there is WebCrypto, before anything is sent.
 *
 * @throws K4netError `K4NET_UNSUPPORTED` in a page that is not a secure context.
 */
export function checkWebCrypto(): void {
  subtle();
}

/** Returns cryptographically secure random bytes. */
export function randomBytes(length: number): Bytes {
  const bytes = new Uint8Array(length);
  webCrypto().getRandomValues(bytes);
  return bytes;
}

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle().digest(sha256Name, data));
}

async function hmac(key: Bytes, data: Bytes): Promise<Bytes> {
  const algorithm = { name: 'HMAC', hash: sha256Name };
  // WebCrypto rejects an empty key. HMAC pads keys with zeros, so one zero byte is the same key.
  const imported = await subtle().importKey(
    'raw',
    key.length === 0 ? new Uint8Array(1) : key,
    algorithm,
    false,
    ['sign'],
  );
  return new Uint8Array(await subtle().sign('HMAC', imported, data));
}

async function hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  const [key] = await hkdfAll(ikm, salt, [{ info, length }]);
  return key ?? noBytes;
}

async function hkdfAll(ikm: Bytes, salt: Bytes, wanted: readonly KeyInfo[]): Promise<Bytes[]> {
  const key = await subtle().importKey('raw', ikm, 'HKDF', false, ['deriveBits']);
  const derived = wanted.map(async ({ info, length }) => {
    const algorithm = { name: 'HKDF', hash: sha256Name, salt, info };
    return new Uint8Array(await subtle().deriveBits(algorithm, key, length * 8));
  });
  return Promise.all(derived);
}

async function gcm(raw: Bytes): Promise<AsyncGcm> {
  if (raw.length !== 32) throw new RangeError(`a traffic key must have 32 bytes, not ${raw.length}`);
  const key = await subtle().importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
  return {
    async seal(nonce, aad, plaintext) {
      const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: aad, tagLength: 128 };
      return new Uint8Array(await subtle().encrypt(algorithm, key, plaintext));
    },
    async open(nonce, aad, sealed) {
      if (sealed.length < 16) return undefined;
      const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: aad, tagLength: 128 };
      return bytesOrUndefined(subtle().decrypt(algorithm, key, sealed));
    },
  };
}

/** The primitives of WebCrypto, which every runtime has. */
export const webBackend: AsyncBackend = { sync: false, sha256, hmac, hkdf, hkdfAll, gcm, newShare };

/** Makes an ephemeral P-256 key. Its private key cannot be exported. */
async function newShare(): Promise<EphemeralShare> {
  const { privateKey, publicKey } = await subtle().generateKey(ecdh, false, ['deriveBits']);
  const share = new Uint8Array(await subtle().exportKey('raw', publicKey));
  return { share, agree: (point) => agree(privateKey, point) };
}

/**
 * Returns the 32 bytes of the ECDH with the peer's point: the x coordinate of the shared point,
 * big-endian. Undefined if the point is not on the curve, or not in the uncompressed form that the
 * protocol uses.
 */
export async function agree(privateKey: CryptoKeyLike, share: Bytes): Promise<Bytes | undefined> {
  if (!isCurvePoint(share)) return undefined;
  const point = await subtle().importKey('raw', share, ecdh, false, []);
  return new Uint8Array(await subtle().deriveBits({ name: 'ECDH', public: point }, privateKey, 256));
}

/** Encrypts with RSA-OAEP, with SHA-256 for both hashes. */
export async function oaepEncrypt(key: CryptoKeyLike, label: string, plaintext: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle().encrypt({ name: 'RSA-OAEP', label: ascii(label) }, key, plaintext));
}

/**
 * Decrypts RSA-OAEP; undefined for an invalid ciphertext. Never reports the reason: an attacker
 * could use it as an oracle.
 */
export function oaepDecrypt(key: CryptoKeyLike, label: Bytes, ciphertext: Bytes): Promise<Bytes | undefined> {
  return bytesOrUndefined(subtle().decrypt({ name: 'RSA-OAEP', label }, key, ciphertext));
}

/** Signs with ECDSA over P-256 and SHA-256. The signature is r and s, 64 bytes. */
export async function ecdsaSign(key: CryptoKeyLike, message: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle().sign(ecdsaSignature, key, message));
}

export async function ecdsaVerify(key: CryptoKeyLike, signature: Bytes, message: Bytes): Promise<boolean> {
  if (signature.length !== 64) return false;
  return subtle().verify(ecdsaSignature, key, signature, message);
}

/** Signs with RSA-PSS, with SHA-256 for both hashes and a salt of 32 bytes. */
export async function pssSign(key: CryptoKeyLike, message: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle().sign(pssSignature, key, message));
}

export function pssVerify(key: CryptoKeyLike, signature: Bytes, message: Bytes): Promise<boolean> {
  return subtle().verify(pssSignature, key, signature, message);
}

/** The purpose for which an RSA or P-256 key is imported. */
export type KeyPurpose = 'decrypt' | 'encrypt' | 'pss-sign' | 'pss-verify' | 'ecdsa-sign' | 'ecdsa-verify';

interface Purpose {
  readonly format: 'pkcs8' | 'spki';
  readonly algorithm: { readonly name: string; readonly hash?: string; readonly namedCurve?: string };
  readonly usages: readonly string[];
}

const purposes: Readonly<Record<KeyPurpose, Purpose>> = {
  decrypt: { format: 'pkcs8', algorithm: oaep, usages: ['decrypt'] },
  encrypt: { format: 'spki', algorithm: oaep, usages: ['encrypt'] },
  'pss-sign': { format: 'pkcs8', algorithm: pss, usages: ['sign'] },
  'pss-verify': { format: 'spki', algorithm: pss, usages: ['verify'] },
  'ecdsa-sign': { format: 'pkcs8', algorithm: ecdsa, usages: ['sign'] },
  'ecdsa-verify': { format: 'spki', algorithm: ecdsa, usages: ['verify'] },
};

/** Imports a key from its DER form for one purpose. Only public keys can be exported again. */
export function importKey(purpose: KeyPurpose, der: Bytes): Promise<CryptoKeyLike> {
  const { format, algorithm, usages } = purposes[purpose];
  return subtle().importKey(format, der, algorithm, format === 'spki', usages);
}

/** Whether a value has the form of a `CryptoKey` of this type. */
export function isCryptoKey(value: unknown, type: 'private' | 'public'): value is CryptoKeyLike {
  if (typeof value !== 'object' || value === null) return false;
  const key = value as { readonly [name in keyof CryptoKeyLike]?: unknown };
  const algorithm = key.algorithm as { readonly name?: unknown } | null | undefined;
  return key.type === type && typeof algorithm?.name === 'string' && Array.isArray(key.usages);
}

/** Returns the purpose of a `CryptoKey`; undefined for a key that k4net cannot use. */
export function purposeOf(key: CryptoKeyLike): KeyPurpose | undefined {
  const algorithm = key.algorithm as { name: string; hash?: { name?: string }; namedCurve?: string };
  const fits = ({ format, algorithm: wanted, usages }: Purpose) =>
    wanted.name === algorithm.name &&
    wanted.hash === algorithm.hash?.name &&
    wanted.namedCurve === algorithm.namedCurve &&
    (format === 'pkcs8') === (key.type === 'private') &&
    usages.every((usage) => key.usages.includes(usage));
  return (Object.keys(purposes) as KeyPurpose[]).find((name) => fits(purposes[name]));
}

/** Exports a key: a private one as PKCS#8, a public one as SPKI. */
export async function exportKey(key: CryptoKeyLike): Promise<Bytes> {
  return new Uint8Array(await subtle().exportKey(key.type === 'private' ? 'pkcs8' : 'spki', key));
}

/** Computes the public point of a private P-256 key whose DER form does not contain it. */
export async function publicPointOf(pkcs8: Bytes): Promise<Bytes> {
  const key = await subtle().importKey('pkcs8', pkcs8, ecdsa, true, ['sign']);
  const jwk = (await subtle().exportKey('jwk', key)) as unknown as { x: string; y: string };
  const point = new Uint8Array(65);
  point[0] = 4;
  point.set(base64Url(jwk.x), 1);
  point.set(base64Url(jwk.y), 33);
  return point;
}

/** Generates an RSA key pair that can be exported. */
export function generateRsa(bits: number): Promise<CryptoKeyPairLike> {
  return subtle().generateKey({ ...oaep, modulusLength: bits, publicExponent }, true, ['encrypt', 'decrypt']);
}

/** Generates a P-256 key pair that can be exported. */
export function generateEcdsa(): Promise<CryptoKeyPairLike> {
  return subtle().generateKey(ecdsa, true, ['sign', 'verify']);
}

function base64Url(text: string): Bytes {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

async function bytesOrUndefined(operation: Promise<ArrayBuffer>): Promise<Bytes | undefined> {
  try {
    return new Uint8Array(await operation);
  } catch {
    return undefined;
  }
}
