import { type Bytes, ascii, equalBytes, kindOf, toHex } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import type { Backend, SyncBackend } from './backend.js';
import { checkRsaNumbers, checkRsaSpki, isP256Spki, toSpki } from './key-forms.js';
import { decodePem, encodePem } from './pem.js';
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

/** A public key as a caller may give it: PEM, DER, a `CryptoKey`, or one that was imported before. */
export type PublicKeySource = string | Bytes | CryptoKeyLike | PublicKey;

/** What a public key is, once it has been checked. */
interface Checked {
  readonly type: 'rsa' | 'p256';
  readonly bits: number;
  readonly spki: Bytes;
  readonly id: Bytes;
}

const mostKnown = 16;
/** An RSA key of 4096 bits takes 550 bytes. */
const longestSpki = 1024;

/** A checked public key: RSA of 2048 to 4096 bits, or P-256. See "Units" in docs/protocol.md. */
export class PublicKey {
  /** The last few: whoever connects again and again means the same key, and the checks take longer than its use. */
  static readonly #known = new Map<string, PublicKey>();
  readonly #checked: Checked;
  #encrypting: Promise<CryptoKeyLike> | undefined;
  #encryptNow: ReturnType<SyncBackend['oaepEncrypter']> | undefined;
  #verifying: Promise<CryptoKeyLike> | undefined;

  private constructor(checked: Checked) {
    this.#checked = checked;
  }

  /**
   * The key of an SPKI in its one DER form.
   *
   * @throws K4netError `K4NET_MALFORMED` for anything else, also for what merely means the same key.
   */
  static async fromSpki(spki: Bytes): Promise<PublicKey> {
    const name = String.fromCharCode(...spki.subarray(0, longestSpki));
    const known = spki.length > longestSpki ? undefined : PublicKey.#known.get(name);
    if (known) return known;
    const copy = spki.slice();
    const { type, bits } = isP256Spki(copy) ? await checkP256(copy) : await checkRsa(copy);
    const key = new PublicKey({ type, bits, spki: copy, id: await sha256(copy) });
    const [oldest] = PublicKey.#known.keys();
    if (PublicKey.#known.size >= mostKnown && oldest !== undefined) PublicKey.#known.delete(oldest);
    PublicKey.#known.set(name, key);
    return key;
  }

  get type(): 'rsa' | 'p256' {
    return this.#checked.type;
  }

  /** Length of the RSA modulus, or 256. */
  get bits(): number {
    return this.#checked.bits;
  }

  /** SHA-256 of the SPKI, as `sha256:` and 64 hexadecimal digits: what people compare. */
  get fingerprint(): string {
    return fingerprintOf(this.#checked.id);
  }

  /** SHA-256 of the SPKI. */
  get id(): Bytes {
    return this.#checked.id.slice();
  }

  /** The one DER form of the key. */
  get spki(): Bytes {
    return this.#checked.spki.slice();
  }

  /** Length of an RSA ciphertext or signature in bytes. */
  get modulusLength(): number {
    return Math.ceil(this.bits / 8);
  }

  equals(other: PublicKey): boolean {
    return equalBytes(this.#checked.spki, other.#checked.spki);
  }

  toPem(): string {
    return encodePem('PUBLIC KEY', this.#checked.spki);
  }

  /** RSA-OAEP of a secret, which only the private key can read. */
  async encrypt(label: string, secret: Bytes, backend?: Backend): Promise<Bytes> {
    if (this.type !== 'rsa') throw new TypeError('only an RSA key can encrypt');
    if (backend?.sync) {
      this.#encryptNow ??= backend.oaepEncrypter(this.#checked.spki);
      return this.#encryptNow(ascii(label), secret);
    }
    this.#encrypting ??= importKey('encrypt', this.#checked.spki);
    return oaepEncrypt(await this.#encrypting, label, secret);
  }

  /** Whether a signature (ECDSA for P-256, RSA-PSS for RSA) over a message is this key's. */
  async verify(signature: Bytes, message: Bytes): Promise<boolean> {
    if (this.type === 'rsa' && signature.length !== this.modulusLength) return false;
    this.#verifying ??= importKey(this.type === 'rsa' ? 'pss-verify' : 'ecdsa-verify', this.#checked.spki);
    const check = this.type === 'rsa' ? pssVerify : ecdsaVerify;
    return check(await this.#verifying, signature, message);
  }
}

async function checkP256(spki: Bytes): Promise<{ type: 'p256'; bits: number }> {
  await imported('ecdsa-verify', spki);
  return { type: 'p256', bits: 256 };
}

async function checkRsa(spki: Bytes): Promise<{ type: 'rsa'; bits: number }> {
  const bits = checkRsaSpki(spki);
  await imported('encrypt', spki);
  return { type: 'rsa', bits };
}

async function imported(purpose: 'encrypt' | 'ecdsa-verify', spki: Bytes): Promise<void> {
  try {
    await importKey(purpose, spki);
  } catch (error) {
    if (K4netError.is(error)) throw error;
    throw new K4netError('K4NET_MALFORMED', 'a public key is neither RSA nor P-256', { cause: error });
  }
}

/** The text form of a fingerprint. */
export function fingerprintOf(id: Bytes): string {
  return `sha256:${toHex(id)}`;
}

/**
 * A fingerprint in its one text form.
 *
 * @throws TypeError for anything that is not `sha256:` and 64 hexadecimal digits.
 */
export function parseFingerprint(text: string): string {
  if (typeof text === 'string' && /^sha256:[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new TypeError("a fingerprint is 'sha256:' and 64 hexadecimal digits");
}

/**
 * Checks an option that holds a server's public key, without a wait: a wrong one is an error where it was given.
 *
 * @param name - of the option.
 * @throws TypeError for anything but a public RSA key of 2048 to 4096 bits.
 */
export function checkServerKeySource(name: string, source: unknown): void {
  try {
    if (publicKind(source as PublicKeySource) === 'rsa') return;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const hint = name === 'key' ? pathHint(source) : '';
    throw new TypeError(`${name} is the public RSA key of a server: ${why}${hint}`, { cause });
  }
  throw new TypeError(`${name} is the public RSA key of a server: this one is a P-256 key`);
}

/** The end of an error message for a text in the place of a key that may be the path of its file. */
export function pathHint(source: unknown): string {
  return typeof source === 'string' && !source.includes('-----BEGIN ') ? ' (a path? use keyPath)' : '';
}

/** The kind of a public key, checked as far as that goes without a wait. */
function publicKind(source: PublicKeySource): PublicKey['type'] {
  if (source instanceof PublicKey) return source.type;
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) return checkPublicCryptoKey(source);
  const spki = publicDer(source);
  if (isP256Spki(spki)) return 'p256';
  checkRsaSpki(spki);
  return 'rsa';
}

/** A public key from any of its forms: SPKI or PKCS#1, PEM or DER, or a `CryptoKey` that can be exported. */
export async function importPublicKey(source: PublicKeySource): Promise<PublicKey> {
  if (source instanceof PublicKey) return source;
  if (typeof source === 'string' || source instanceof Uint8Array)
    return PublicKey.fromSpki(publicDer(source));
  checkPublicCryptoKey(source);
  return PublicKey.fromSpki(await exportKey(source));
}

/** The SPKI of a public key in PEM or DER. */
function publicDer(source: string | Bytes): Bytes {
  if (typeof source !== 'string') return toSpki(source);
  const found = decodePem(source).find(({ label }) => label === 'PUBLIC KEY' || label === 'RSA PUBLIC KEY');
  if (found) return toSpki(found.der);
  throw new K4netError('K4NET_MALFORMED', "a PEM text has no block 'PUBLIC KEY' or 'RSA PUBLIC KEY'");
}

/**
 * The kind of a public `CryptoKey`.
 *
 * @throws TypeError for anything else, for one that cannot be exported, and for one of another kind
 * than RSA and P-256; K4netError `K4NET_MALFORMED` for an RSA key of the wrong size or exponent.
 */
export function checkPublicCryptoKey(source: unknown): PublicKey['type'] {
  if (!isCryptoKey(source, 'public')) {
    throw new TypeError(`a public key is PEM, DER or a public CryptoKey, not ${kindOf(source)}`);
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
    throw new TypeError('a public CryptoKey is an RSA or P-256 key');
  }
  checkRsaNumbers(modulusLength, publicExponent);
  return 'rsa';
}
