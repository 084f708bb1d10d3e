import { type Bytes, ascii, equalBytes, kindOf } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { choiceRule, checkOptions, oneOfRule, type OptionTable } from '../util/options.js';
import { nextTurn } from '../platform/runtime.js';
import type { Backend, SyncBackend } from './backend.js';
import { checkRsaSpki, isP256Spki, publicHalf, storedPublicHalf, toPkcs8 } from './key-forms.js';
import { decodePem, encodePem } from './pem-der.js';
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

/** A key pair in any form: a private key in PEM or DER, a `CryptoKeyPair`, or a `KeyPair`. */
export type KeyPairSource = string | Bytes | CryptoKeyPairLike | KeyPair;

/** Options of {@link generateKeyPair}. */
export interface GenerateKeyPairOptions {
  /** `rsa` (the default) is for servers and clients, `p256` for clients only. */
  readonly type?: 'rsa' | 'p256';
  /** Bits of an RSA key: 2048, 3072 (the default) or 4096. */
  readonly keySize?: 2048 | 3072 | 4096;
}

const generateTable: OptionTable<GenerateKeyPairOptions, 'keySize'> = {
  type: choiceRule(['rsa', 'p256']),
  keySize: oneOfRule([2048, 3072, 4096]),
};

type PrivatePurpose = Extract<KeyPurpose, 'decrypt' | 'pss-sign' | 'ecdsa-sign'>;

/** A private key: its bytes, or a `CryptoKey` that is not extractable and has one purpose. */
type PrivateKeySource =
  | { readonly pkcs8: Bytes; readonly key: undefined }
  | { readonly key: CryptoKeyLike; readonly purpose: PrivatePurpose };

/**
 * A private key with its public key. The private key is never printed and never part of an error.
 *
 * A server needs an RSA key, a client an RSA or P-256 key. See "Keys and trust" in
 * docs/protocol.md.
 */
export class KeyPair {
  readonly publicKey: PublicKey;
  readonly #private: PrivateKeySource;
  readonly #imported = new Map<PrivatePurpose, Promise<CryptoKeyLike>>();

  #decryptSync: ReturnType<SyncBackend['oaepDecrypter']> | undefined;

  private constructor(publicKey: PublicKey, source: PrivateKeySource) {
    this.publicKey = publicKey;
    this.#private = source;
  }

  /** Imports a private key in PKCS#8. */
  static async fromPkcs8(source: Bytes): Promise<KeyPair> {
    const pkcs8 = source.slice();
    const publicKey = await PublicKey.fromSpki(await publicHalf(pkcs8));
    return checkPair(new KeyPair(publicKey, { pkcs8, key: undefined }));
  }

  /** Imports a `CryptoKeyPair`. Its private key need not be extractable. */
  static async fromCryptoKeys({ privateKey, publicKey }: CryptoKeyPairLike): Promise<KeyPair> {
    const purpose = privatePurpose(privateKey);
    const source = privateKey.extractable
      ? { pkcs8: await exportKey(privateKey), key: undefined }
      : { key: privateKey, purpose };
    return checkPair(new KeyPair(await importPublicKey(publicKey), source));
  }

  /** Fingerprint of the public key. */
  get fingerprint(): string {
    return this.publicKey.fingerprint;
  }

  /** Whether a server can use the pair: it has an RSA key that can decrypt. */
  get canDecrypt(): boolean {
    return this.publicKey.type === 'rsa' && (!this.#private.key || this.#private.purpose === 'decrypt');
  }

  /** Whether a client can use the pair: its key can sign. */
  get canSign(): boolean {
    return !this.#private.key || this.#private.purpose !== 'decrypt';
  }

  /**
   * Returns the private key as PKCS#8 in PEM. This is a secret. Throws a TypeError for a key that
   * is not extractable.
   */
  toPem(): string {
    if (this.#private.key) throw new TypeError('this private key cannot be exported: it is not extractable');
    return encodePem('PRIVATE KEY', this.#private.pkcs8);
  }

  /** Decrypts RSA-OAEP; undefined for an invalid ciphertext. */
  async decrypt(label: string, ciphertext: Bytes, backend?: Backend): Promise<Bytes | undefined> {
    const source = this.#private;
    if (backend?.sync && !source.key && this.publicKey.bits <= maxSyncBits && startSyncDecryption()) {
      this.#decryptSync ??= backend.oaepDecrypter(source.pkcs8);
      return this.#decryptSync(ascii(label), ciphertext);
    }
    return oaepDecrypt(await this.#key('decrypt'), ascii(label), ciphertext);
  }

  /** Signs a message: ECDSA with a P-256 key, RSA-PSS with an RSA one. */
  async sign(message: Bytes): Promise<Bytes> {
    if (this.publicKey.type === 'p256') return ecdsaSign(await this.#key('ecdsa-sign'), message);
    return pssSign(await this.#key('pss-sign'), message);
  }

  #key(purpose: PrivatePurpose): Promise<CryptoKeyLike> {
    const source = this.#private;
    if (source.key) {
      if (source.purpose === purpose) return Promise.resolve(source.key);
      throw new TypeError(`this private key is for '${source.purpose}', not for '${purpose}'`);
    }
    let key = this.#imported.get(purpose);
    if (!key) {
      key = importKey(purpose, source.pkcs8);
      this.#imported.set(purpose, key);
    }
    return key;
  }
}

/** A synchronous decryption with a longer key would block the event loop for several ms. */
const maxSyncBits = 2048;
let syncInThisTurn = false;

/**
 * Allows one synchronous decryption in a turn of the event loop. The others run on other threads.
 */
function startSyncDecryption(): boolean {
  if (syncInThisTurn) return false;
  syncInThisTurn = true;
  nextTurn(() => {
    syncInThisTurn = false;
  });
  return true;
}

const checkLabel = 'k4net key check';

/**
 * Tests the pair with one operation of each key. Otherwise two keys that do not belong together
 * would be found only in the first handshake.
 */
async function checkPair(pair: KeyPair): Promise<KeyPair> {
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
    // No cause: the error message of a runtime may quote the private key.
    throw new K4netError('K4NET_MALFORMED', 'a private key cannot be used: it is damaged');
  }
  if (!fits) throw new K4netError('K4NET_MALFORMED', 'a private key does not belong to its public key');
  return pair;
}

/**
 * Checks an option that holds a private key, as far as that is possible synchronously.
 *
 * @param name - the name of the option. The `key` of a server must decrypt, a `clientKey` must
 * sign.
 * @throws TypeError for a value that is not PEM with a private key, DER, a `CryptoKeyPair` or a
 * `KeyPair`, and for a key that cannot do the operation that the option needs.
 */
export function checkKeyPairSource(name: 'key' | 'clientKey', source: unknown): void {
  try {
    const { canDecrypt, canSign } = abilities(source as KeyPairSource);
    if (name === 'key' && !canDecrypt)
      throw new TypeError('the key of a server must be an RSA key that can decrypt');
    if (name === 'clientKey' && !canSign) throw new TypeError('the key of a client must be able to sign');
  } catch (cause) {
    const hint = name === 'key' ? pathHint(source) : '';
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`${name}: ${why}${hint}`, { cause });
  }
}

/** Returns the operations that a key pair can do, as far as they are known synchronously. */
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
    throw new TypeError('the two keys of a CryptoKeyPair are of different kinds');
  }
  // The private key of an extractable pair is imported again for each purpose.
  const reusable = privateKey.extractable;
  return {
    canDecrypt: type === 'rsa' && (reusable || purpose === 'decrypt'),
    canSign: reusable || purpose !== 'decrypt',
  };
}

/**
 * @throws TypeError for a value that is not a private `CryptoKey`, or is of another kind or
 * purpose.
 */
function privatePurpose(key: unknown): PrivatePurpose {
  const purpose = isCryptoKey(key, 'private') ? purposeOf(key) : undefined;
  if (purpose === 'decrypt' || purpose === 'pss-sign' || purpose === 'ecdsa-sign') return purpose;
  throw new TypeError(
    'a private CryptoKey must be for RSA-OAEP (decrypt) with SHA-256, RSA-PSS (sign) with SHA-256 or ECDSA (sign) over P-256',
  );
}

/**
 * Imports a key pair from PKCS#8 or PKCS#1, in PEM or DER, or from a `CryptoKeyPair`.
 *
 * Rejects with `K4NET_MALFORMED` for a damaged key, with `K4NET_UNSUPPORTED` for an encrypted key
 * or another kind of key, and with a TypeError for any other value.
 *
 * @example
 * ```ts
 * import { importKeyPair, listen } from 'k4net';
 *
 * const key = await importKeyPair(process.env['SERVER_KEY'] ?? '');
 * const server = await listen({ port: 9000, key });
 * console.log(`clients pin ${key.fingerprint}`);
 * await server.close();
 * ```
 */
export async function importKeyPair(source: KeyPairSource): Promise<KeyPair> {
  if (source instanceof KeyPair) return source;
  if (source instanceof Uint8Array) return KeyPair.fromPkcs8(toPkcs8(source));
  if (typeof source === 'string') return KeyPair.fromPkcs8(privateBlock(source));
  checkCryptoKeyPair(source);
  return KeyPair.fromCryptoKeys(source);
}

function checkCryptoKeyPair(source: unknown): void {
  if (typeof source !== 'object' || source === null || !('privateKey' in source)) {
    throw new TypeError(`a key pair must be private PEM or DER or a CryptoKeyPair, not ${kindOf(source)}`);
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
      `a PEM block '${other.label}' is not supported: convert it to PKCS#8`,
    );
  }
  throw new K4netError('K4NET_MALFORMED', "a PEM text has no block 'PRIVATE KEY' or 'RSA PRIVATE KEY'");
}

/**
 * Generates a key pair: RSA of 3072 bits by default, which can take several seconds of CPU time, or
 * P-256 for a client.
 *
 * Rejects with a TypeError or RangeError for invalid options.
 *
 * @example
 * ```ts
 * import { generateKeyPair, listen } from 'k4net';
 *
 * const key = await generateKeyPair({ keySize: 2048 });
 * const server = await listen({ port: 9000, key });
 * console.log(`clients pin ${key.fingerprint}`);
 * await server.close();
 * ```
 */
export async function generateKeyPair(given?: GenerateKeyPairOptions): Promise<KeyPair> {
  const { type, keySize } = checkOptions('generateKeyPair', given, generateTable);
  if (type === 'p256') {
    if (keySize !== undefined) throw new TypeError("keySize is an option of type 'rsa' only");
    return KeyPair.fromCryptoKeys(await generateEcdsa());
  }
  return KeyPair.fromCryptoKeys(await generateRsa(keySize ?? 3072));
}
