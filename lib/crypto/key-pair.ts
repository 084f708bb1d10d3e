import { type Bytes, ascii, equalBytes, kindOf } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { ownOptions } from '../util/options.js';
import { nextTurn } from '../platform/runtime.js';
import type { Backend, SyncBackend } from './backend.js';
import { checkRsaSpki, isP256Spki, publicHalf, storedPublicHalf, toPkcs8 } from './key-forms.js';
import { decodePem, encodePem } from './pem.js';
import { PublicKey, checkPublicCryptoKey, importPublicKey, pathHint } from './public-key.js';
import {
  type CryptoKeyLike,
  type CryptoKeyPairLike,
  type KeyPurpose,
  ecdsaSign,
  exportKey,
  generateEcdsa,
  generateRsa,
  importKey,
  isCryptoKey,
  oaepDecrypt,
  pssSign,
  purposeOf,
  randomBytes,
} from './suite.js';

/** A key pair as a caller may give it: private PEM or DER, a `CryptoKeyPair`, or one that was imported before. */
export type KeyPairSource = string | Bytes | CryptoKeyPairLike | KeyPair;

/** Options of {@link generateKeyPair}. */
export interface GenerateKeyPairOptions {
  /** `rsa` (the default) serves servers and clients, `p256` clients only. */
  readonly type?: 'rsa' | 'p256';
  /** Bits of an RSA key. Default 3072. */
  readonly keySize?: 2048 | 3072 | 4096;
}

type PrivatePurpose = Extract<KeyPurpose, 'decrypt' | 'pss-sign' | 'ecdsa-sign'>;

/** Where the private half is: as bytes, or in a `CryptoKey` that keeps it, for the one purpose that it has. */
type PrivateHalf =
  | { readonly pkcs8: Bytes; readonly key: undefined }
  | { readonly key: CryptoKeyLike; readonly purpose: PrivatePurpose };

/**
 * A private key with its public half. The private half is never printed and never part of an error.
 *
 * A server's is RSA; a client's is RSA or P-256. See "Keys and trust" in docs/protocol.md.
 */
export class KeyPair {
  readonly publicKey: PublicKey;
  readonly #half: PrivateHalf;
  readonly #imported = new Map<PrivatePurpose, Promise<CryptoKeyLike>>();

  #decryptNow: ReturnType<SyncBackend['oaepDecrypter']> | undefined;

  private constructor(publicKey: PublicKey, half: PrivateHalf) {
    this.publicKey = publicKey;
    this.#half = half;
  }

  /** The pair of a private key's PKCS#8. */
  static async fromPkcs8(source: Bytes): Promise<KeyPair> {
    const pkcs8 = source.slice();
    const publicKey = await PublicKey.fromSpki(await publicHalf(pkcs8));
    return checked(new KeyPair(publicKey, { pkcs8, key: undefined }));
  }

  /** The pair of a `CryptoKeyPair`, whose private half may be one that cannot be exported. */
  static async fromCryptoKeys({ privateKey, publicKey }: CryptoKeyPairLike): Promise<KeyPair> {
    const purpose = privatePurpose(privateKey);
    const half = privateKey.extractable
      ? { pkcs8: await exportKey(privateKey), key: undefined }
      : { key: privateKey, purpose };
    return checked(new KeyPair(await importPublicKey(publicKey), half));
  }

  /** Fingerprint of the public key. */
  get fingerprint(): string {
    return this.publicKey.fingerprint;
  }

  /** Whether the pair can be a server's. */
  get canDecrypt(): boolean {
    return this.publicKey.type === 'rsa' && (!this.#half.key || this.#half.purpose === 'decrypt');
  }

  /** Whether the pair can tell a server who a client is. */
  get canSign(): boolean {
    return !this.#half.key || this.#half.purpose !== 'decrypt';
  }

  /** The private key as PKCS#8 in PEM. Whoever has it is the owner of the key. */
  toPem(): string {
    if (this.#half.key) throw new TypeError('this private key cannot be exported');
    return encodePem('PRIVATE KEY', this.#half.pkcs8);
  }

  /** Opens what was encrypted to the public key; undefined for anything that is wrong with it. */
  async decrypt(label: string, ciphertext: Bytes, backend?: Backend): Promise<Bytes | undefined> {
    const half = this.#half;
    if (backend?.sync && !half.key && this.publicKey.bits <= longestAtOnce && takeTurn()) {
      this.#decryptNow ??= backend.oaepDecrypter(half.pkcs8);
      return this.#decryptNow(ascii(label), ciphertext);
    }
    return oaepDecrypt(await this.#key('decrypt'), ascii(label), ciphertext);
  }

  /** Signs a message: ECDSA with a P-256 key, RSA-PSS with an RSA one. */
  async sign(message: Bytes): Promise<Bytes> {
    if (this.publicKey.type === 'p256') return ecdsaSign(await this.#key('ecdsa-sign'), message);
    return pssSign(await this.#key('pss-sign'), message);
  }

  #key(purpose: PrivatePurpose): Promise<CryptoKeyLike> {
    const half = this.#half;
    if (half.key) {
      if (half.purpose === purpose) return Promise.resolve(half.key);
      throw new TypeError(`this private key was not made for '${purpose}'`);
    }
    let key = this.#imported.get(purpose);
    if (!key) {
      key = importKey(purpose, half.pkcs8);
      this.#imported.set(purpose, key);
    }
    return key;
  }
}

/** A decryption with a longer key takes milliseconds, which is too long for the rest of the program to wait. */
const longestAtOnce = 2048;
let turnTaken = false;

/** Whether a decryption may be done in place: one in a turn of the event loop; the others go to other threads. */
function takeTurn(): boolean {
  if (turnTaken) return false;
  turnTaken = true;
  nextTurn(() => {
    turnTaken = false;
  });
  return true;
}

const checkLabel = 'k4net key check';

/** Halves that do not belong together would be found out by the first peer only, so they are tried at once. */
async function checked(pair: KeyPair): Promise<KeyPair> {
  const probe = randomBytes(32);
  let fits: boolean;
  try {
    if (pair.canDecrypt) {
      const opened = await pair.decrypt(checkLabel, await pair.publicKey.encrypt(checkLabel, probe));
      fits = opened !== undefined && equalBytes(opened, probe);
    } else {
      fits = await pair.publicKey.verify(await pair.sign(probe), probe);
    }
  } catch {
    // Without the cause: what a runtime says about a private key is not ours to pass on.
    throw new K4netError('K4NET_MALFORMED', 'a private key cannot be used: it is damaged');
  }
  if (!fits) throw new K4netError('K4NET_MALFORMED', 'a private key does not belong to its public half');
  return pair;
}

/**
 * Checks an option that holds a private key, as far as that goes without a wait.
 *
 * @param name - of the option: `key` is a server's and must decrypt, `clientKey` must sign.
 * @throws TypeError for anything but PEM with a private key, DER, a `CryptoKeyPair` or a `KeyPair`,
 * and for a key that cannot do what the option needs.
 */
export function checkKeyPairSource(name: 'key' | 'clientKey', source: unknown): void {
  try {
    const { canDecrypt, canSign } = abilities(source as KeyPairSource);
    if (name === 'key' && !canDecrypt) throw new TypeError("a server's key is an RSA key that can decrypt");
    if (name === 'clientKey' && !canSign) throw new TypeError('the key of a client must be able to sign');
  } catch (cause) {
    const hint = name === 'key' ? pathHint(source) : '';
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`${name}: ${why}${hint}`, { cause });
  }
}

/** What a key pair can do, as far as that is to be seen without a wait. */
function abilities(source: KeyPairSource): Pick<KeyPair, 'canDecrypt' | 'canSign'> {
  if (source instanceof KeyPair) return source;
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) return cryptoKeyAbilities(source);
  const spki = storedPublicHalf(typeof source === 'string' ? privateBlock(source) : toPkcs8(source));
  const isRsa = spki !== undefined && !isP256Spki(spki);
  if (isRsa) checkRsaSpki(spki);
  return { canDecrypt: isRsa, canSign: true };
}

function cryptoKeyAbilities(source: CryptoKeyPairLike): Pick<KeyPair, 'canDecrypt' | 'canSign'> {
  checkCryptoKeyPair(source);
  const { privateKey, publicKey } = source;
  const purpose = privatePurpose(privateKey);
  const type = checkPublicCryptoKey(publicKey);
  if ((type === 'p256') !== (purpose === 'ecdsa-sign')) {
    throw new TypeError('the halves of a CryptoKeyPair are keys of different kinds');
  }
  // The private half of an extractable pair is imported again for each purpose.
  const reusable = privateKey.extractable;
  return {
    canDecrypt: type === 'rsa' && (reusable || purpose === 'decrypt'),
    canSign: reusable || purpose !== 'decrypt',
  };
}

/** @throws TypeError for a `CryptoKey` that is not private, or of another kind or purpose. */
function privatePurpose(key: unknown): PrivatePurpose {
  const purpose = isCryptoKey(key, 'private') ? purposeOf(key) : undefined;
  if (purpose === 'decrypt' || purpose === 'pss-sign' || purpose === 'ecdsa-sign') return purpose;
  throw new TypeError(
    'a private CryptoKey is for RSA-OAEP (decrypt) with SHA-256, RSA-PSS (sign) with SHA-256 or ECDSA (sign) over P-256',
  );
}

/** A key pair from any of its forms: PKCS#8 or PKCS#1, PEM or DER, or a `CryptoKeyPair`. */
export async function importKeyPair(source: KeyPairSource): Promise<KeyPair> {
  if (source instanceof KeyPair) return source;
  if (source instanceof Uint8Array) return KeyPair.fromPkcs8(toPkcs8(source));
  if (typeof source === 'string') return KeyPair.fromPkcs8(privateBlock(source));
  checkCryptoKeyPair(source);
  return KeyPair.fromCryptoKeys(source);
}

function checkCryptoKeyPair(source: unknown): void {
  if (typeof source !== 'object' || source === null || !('privateKey' in source)) {
    throw new TypeError(`a key pair is private PEM or DER or a CryptoKeyPair, not ${kindOf(source)}`);
  }
}

function privateBlock(text: string): Bytes {
  const blocks = decodePem(text);
  const found = blocks.find(({ label }) => label === 'PRIVATE KEY' || label === 'RSA PRIVATE KEY');
  if (found) return toPkcs8(found.der);
  const other = blocks.find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (other) {
    throw new K4netError(
      'K4NET_UNSUPPORTED',
      `a PEM block '${other.label}' must be turned into PKCS#8 first`,
    );
  }
  throw new K4netError('K4NET_MALFORMED', "a PEM text has no block 'PRIVATE KEY' or 'RSA PRIVATE KEY'");
}

/** Makes a new key pair. */
export async function generateKeyPair(given?: GenerateKeyPairOptions): Promise<KeyPair> {
  const options = ownOptions('generateKeyPair', given, ['type', 'keySize']);
  const { type = 'rsa', keySize = 3072 } = options;
  if (type === 'p256') {
    if (options.keySize !== undefined) throw new TypeError("keySize is an option of type 'rsa' only");
    return KeyPair.fromCryptoKeys(await generateEcdsa());
  }
  if ((type as string) !== 'rsa') throw new TypeError(`type is 'rsa' or 'p256', not '${type}'`);
  if (![2048, 3072, 4096].includes(keySize)) {
    throw new RangeError(`keySize is 2048, 3072 or 4096, not ${String(keySize)}`);
  }
  return KeyPair.fromCryptoKeys(await generateRsa(keySize));
}
