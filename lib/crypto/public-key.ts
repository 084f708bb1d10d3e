import { type Bytes, ascii, equalBytes, kindOf, toHex } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import type { Backend, SyncBackend } from './backend.js';
import { isCurvePoint } from './curve.js';
import { checkRsaNumbers, checkRsaSpki, isP256Spki, toSpki } from './key-forms.js';
import { decodePem, encodePem } from './pem-der.js';
import {
  type CryptoKeyLike,
  ecdsaVerify,
  exportKey,
  importKey,
  isCryptoKey,
  oaepEncrypt,
  pssVerify,
  sha256,
} from './suite.js';

/** A public key in any form: PEM, DER, a `CryptoKey`, or a `PublicKey`. */
export type PublicKeySource = string | Bytes | CryptoKeyLike | PublicKey;

/** A public key that has passed all checks. */
interface CheckedKey {
  readonly type: 'rsa' | 'p256';
  readonly bits: number;
  readonly spki: Bytes;
  readonly id: Bytes;
}

const maxCached = 16;
/** The SPKI of a 4096-bit RSA key has 550 bytes. */
const maxCachedSpki = 1024;

/** A checked public key: RSA of 2048 to 4096 bits, or P-256. See "Units" in docs/protocol.md. */
export class PublicKey {
  /** Recent keys. Most connections use the same keys, and the checks take longer than the use. */
  static readonly #cache = new Map<string, PublicKey>();
  readonly #checked: CheckedKey;
  #encrypting: Promise<CryptoKeyLike> | undefined;
  #encryptSync: ReturnType<SyncBackend['oaepEncrypter']> | undefined;
  #verifying: Promise<CryptoKeyLike> | undefined;

  private constructor(checked: CheckedKey) {
    this.#checked = checked;
  }

  /**
   * Imports a key from an SPKI in its canonical DER form.
   *
   * @throws K4netError `K4NET_MALFORMED` for any other bytes, including another DER form of the
   * same key.
   */
  static async fromSpki(spki: Bytes): Promise<PublicKey> {
    const name = String.fromCharCode(...spki.subarray(0, maxCachedSpki));
    const known = spki.length > maxCachedSpki ? undefined : PublicKey.#cache.get(name);
    if (known) return known;
    const copy = spki.slice();
    const { type, bits } = isP256Spki(copy) ? checkP256(copy) : await checkRsa(copy);
    const key = new PublicKey({ type, bits, spki: copy, id: await sha256(copy) });
    const [oldest] = PublicKey.#cache.keys();
    if (PublicKey.#cache.size >= maxCached && oldest !== undefined) PublicKey.#cache.delete(oldest);
    PublicKey.#cache.set(name, key);
    return key;
  }

  /** The kind of the key. */
  get type(): 'rsa' | 'p256' {
    return this.#checked.type;
  }

  /** Length of the RSA modulus, or 256. */
  get bits(): number {
    return this.#checked.bits;
  }

  /** SHA-256 of the SPKI, as `sha256:` and 64 hexadecimal digits, for people to compare. */
  get fingerprint(): string {
    return fingerprintOf(this.#checked.id);
  }

  /** SHA-256 of the SPKI. */
  get id(): Bytes {
    return this.#checked.id.slice();
  }

  /** The canonical DER form of the key. */
  get spki(): Bytes {
    return this.#checked.spki.slice();
  }

  /** Length of an RSA ciphertext or signature in bytes. */
  get modulusLength(): number {
    return Math.ceil(this.bits / 8);
  }

  /** Whether both are the same key. */
  equals(other: PublicKey): boolean {
    return equalBytes(this.#checked.spki, other.#checked.spki);
  }

  /** The key as SPKI in PEM. */
  toPem(): string {
    return encodePem('PUBLIC KEY', this.#checked.spki);
  }

  /** Encrypts a secret with RSA-OAEP. */
  async encrypt(label: string, secret: Bytes, backend?: Backend): Promise<Bytes> {
    if (this.type !== 'rsa') throw new TypeError('only an RSA key can encrypt');
    if (backend?.sync) {
      this.#encryptSync ??= backend.oaepEncrypter(this.#checked.spki);
      return this.#encryptSync(ascii(label), secret);
    }
    this.#encrypting ??= importKey('encrypt', this.#checked.spki);
    return oaepEncrypt(await this.#encrypting, label, secret);
  }

  /** Verifies a signature over a message: ECDSA for P-256, RSA-PSS for RSA. */
  async verify(signature: Bytes, message: Bytes): Promise<boolean> {
    if (this.type === 'rsa' && signature.length !== this.modulusLength) return false;
    this.#verifying ??= importKey(this.type === 'rsa' ? 'pss-verify' : 'ecdsa-verify', this.#checked.spki);
    const check = this.type === 'rsa' ? pssVerify : ecdsaVerify;
    return check(await this.#verifying, signature, message);
  }
}

function checkP256(spki: Bytes): { type: 'p256'; bits: number } {
  if (isCurvePoint(spki.subarray(-65))) return { type: 'p256', bits: 256 };
  throw new K4netError('K4NET_MALFORMED', 'the point of a P-256 key is not on the curve');
}

async function checkRsa(spki: Bytes): Promise<{ type: 'rsa'; bits: number }> {
  const bits = checkRsaSpki(spki);
  try {
    await importKey('encrypt', spki);
  } catch (error) {
    if (K4netError.is(error)) throw error;
    throw new K4netError('K4NET_MALFORMED', 'a public key is neither RSA nor P-256', { cause: error });
  }
  return { type: 'rsa', bits };
}

/** Returns the text of a fingerprint. */
export function fingerprintOf(id: Bytes): string {
  return `sha256:${toHex(id)}`;
}

/**
 * Checks the text of a fingerprint, and returns it in lower case.
 *
 * @throws TypeError for a value that is not `sha256:` and 64 hexadecimal digits.
 */
export function parseFingerprint(text: string): string {
  if (typeof text === 'string' && /^sha256:[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new TypeError("a fingerprint must be 'sha256:' and 64 hexadecimal digits");
}

/**
 * Checks an option that holds a server's public key synchronously, so that the constructor throws
 * for an invalid one.
 *
 * @param name - the name of the option.
 * @throws TypeError for a value that is not a public RSA key of 2048 to 4096 bits.
 */
export function checkServerKeySource(name: string, source: unknown): void {
  try {
    if (publicKind(source as PublicKeySource) === 'rsa') return;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const hint = name === 'key' ? pathHint(source) : '';
    throw new TypeError(`${name} must be the public RSA key of a server: ${why}${hint}`, { cause });
  }
  throw new TypeError(`${name} must be the public RSA key of a server: this one is a P-256 key`);
}

/** A hint for an error message: text that is not PEM may be the path of a key file. */
export function pathHint(source: unknown): string {
  return typeof source === 'string' && !source.includes('-----BEGIN ') ? ' (a path? use keyPath)' : '';
}

/** Returns the kind of a public key, checked as far as that is possible synchronously. */
function publicKind(source: PublicKeySource): PublicKey['type'] {
  if (source instanceof PublicKey) return source.type;
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) return checkPublicCryptoKey(source);
  const spki = publicDer(source);
  if (isP256Spki(spki)) return 'p256';
  checkRsaSpki(spki);
  return 'rsa';
}

/**
 * Imports a public key from SPKI or PKCS#1, in PEM or DER, or from an extractable `CryptoKey`.
 *
 * Rejects with `K4NET_MALFORMED` for a damaged key or another kind of key, and with a TypeError for
 * any other value.
 *
 * @example
 * ```ts
 * import { connect, importPublicKey } from 'k4net';
 *
 * const key = await importPublicKey(process.env['SERVER_PUBLIC_KEY'] ?? '');
 * const socket = await connect({ port: 9000, key });
 * console.log(`connected to ${key.fingerprint}`);
 * await socket.close();
 * ```
 */
export async function importPublicKey(source: PublicKeySource): Promise<PublicKey> {
  if (source instanceof PublicKey) return source;
  if (typeof source === 'string' || source instanceof Uint8Array)
    return PublicKey.fromSpki(publicDer(source));
  checkPublicCryptoKey(source);
  return PublicKey.fromSpki(await exportKey(source));
}

/** Returns the SPKI of a public key in PEM or DER. */
function publicDer(source: string | Bytes): Bytes {
  if (typeof source !== 'string') return toSpki(source);
  const found = decodePem(source).find(({ label }) => label === 'PUBLIC KEY' || label === 'RSA PUBLIC KEY');
  if (found) return toSpki(found.der);
  throw new K4netError('K4NET_MALFORMED', "a PEM text has no block 'PUBLIC KEY' or 'RSA PUBLIC KEY'");
}

/**
 * Returns the kind of a public `CryptoKey`.
 *
 * @throws TypeError for any other value, for a key that is not extractable, and for a key that is
 * neither RSA nor P-256. K4netError `K4NET_MALFORMED` for an RSA key of the wrong size or exponent.
 */
export function checkPublicCryptoKey(source: unknown): PublicKey['type'] {
  if (!isCryptoKey(source, 'public')) {
    throw new TypeError(`a public key must be PEM, DER or a public CryptoKey, not ${kindOf(source)}`);
  }
  if (!source.extractable) throw new TypeError('a public CryptoKey must be extractable');
  const { name, namedCurve, modulusLength, publicExponent } = source.algorithm as {
    readonly name: string;
    readonly namedCurve?: string;
    readonly modulusLength?: number;
    readonly publicExponent?: Bytes;
  };
  if (namedCurve === 'P-256') return 'p256';
  if (!name.startsWith('RSA') || !modulusLength || !publicExponent) {
    throw new TypeError('a public CryptoKey must be an RSA or P-256 key');
  }
  checkRsaNumbers(modulusLength, publicExponent);
  return 'rsa';
}
