import {
  type GenerateKeyPairOptions,
  type KeyPair,
  generateKeyPair,
  importKeyPair,
} from '../crypto/key-pair.js';
import { type PublicKey, importPublicKey } from '../crypto/public-key.js';
import { FileError, K4netError, KeyMismatchError } from '../errors.js';
import { platform, userId } from '../platform/runtime.js';
import { type Bytes, ascii, decodeUtf8, kindOf } from '../util/bytes.js';
import { WarnOnce } from '../util/warn-once.js';
import { createOnce } from './atomic-file.js';
import { type SmallFile, readSmallFile } from './small-file.js';

const maxKeyFile = 65_536;

type KeySize = NonNullable<GenerateKeyPairOptions['keySize']>;

/**
 * Returns the path of a key file: `keyPath` with `.sk` for a server's private key, `.pk` for the
 * public key that a client pins. If `keyPath` already has one of the two suffixes, it is replaced,
 * so that no private key gets into a `.pk` file.
 */
export function keyFile(keyPath: string, suffix: '.sk' | '.pk'): string {
  if (typeof keyPath !== 'string') throw new TypeError(`keyPath must be a string, not ${kindOf(keyPath)}`);
  const stem = keyPath.replace(/\.[sp]k$/, '');
  // '' and 'folder/' would make a file whose whole name is the suffix.
  if (/(^|[/\\])$/.test(stem) || stem.includes('\0')) {
    throw new TypeError(`keyPath must be the path of a file, not ${JSON.stringify(keyPath)}`);
  }
  return stem + suffix;
}

/**
 * Loads a server's key from `<keyPath>.sk`, or makes a new one and saves it there (PKCS#8 PEM,
 * readable for its owner only). If several processes start at the same time, all get the same key.
 * The folder must exist.
 *
 * @param keySize - bits of a new key. A key that is there already may have any size.
 * @throws FileError naming the file, if it cannot be read or made, or holds no key for a server.
 */
export async function loadServerKey(keyPath: string, keySize?: KeySize): Promise<KeyPair> {
  const path = keyFile(keyPath, '.sk');
  const key =
    (await readPrivate(path)) ?? (await makeServerKey(keyPath, keySize)) ?? (await readPrivate(path));
  if (key) return key;
  throw neitherReadNorMade(path);
}

/**
 * Loads a server's key from `<keyPath>.sk`.
 *
 * @throws FileError naming the file, if it is missing, cannot be read, or holds no key for a
 * server.
 */
export async function readServerKey(keyPath: string): Promise<KeyPair> {
  const path = keyFile(keyPath, '.sk');
  const key = await readPrivate(path);
  if (key) return key;
  throw new FileError(path, 'is missing: of a list of keys only the first one is made');
}

/**
 * Makes a key for a server and saves it in `<keyPath>.sk`, never over another file.
 *
 * @param keySize - bits of the key. Default: that of {@link generateKeyPair}.
 * @returns undefined if there is such a file already.
 * @throws FileError naming the file, if it cannot be made.
 */
export async function makeServerKey(keyPath: string, keySize?: KeySize): Promise<KeyPair | undefined> {
  const path = keyFile(keyPath, '.sk');
  const pair = await generateKeyPair(keySize === undefined ? {} : { keySize });
  return (await createOnce(path, ascii(pair.toPem()), 0o600)) === 'made' ? pair : undefined;
}

/**
 * Returns the fingerprint of a key in a file, private or public, in PEM.
 *
 * @throws FileError naming the file, if it is missing, cannot be read, or holds no key.
 */
export async function fingerprintOfFile(path: string): Promise<string> {
  const file = await readSmallFile(path, maxKeyFile);
  if (!file) throw new FileError(path, 'does not exist');
  const text = textOf(path, file.bytes);
  const key = text.includes('PRIVATE KEY-----') ? await privateKey(path, text) : await publicKey(path, text);
  return key.fingerprint;
}

async function readPrivate(path: string): Promise<KeyPair | undefined> {
  const file = await readSmallFile(path, maxKeyFile);
  if (!file) return undefined;
  const pair = await privateKey(path, textOf(path, file.bytes));
  if (!pair.canDecrypt) throw notServerKey(path);
  warnAboutAccess(path, file);
  return pair;
}

async function privateKey(path: string, text: string): Promise<KeyPair> {
  // An encrypted key has a label of its own, or, in the older form, a header inside the block.
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m.test(text)) {
    throw new FileError(path, 'is encrypted with a passphrase: decrypt it first');
  }
  try {
    return await importKeyPair(text);
  } catch (error) {
    throw new FileError(path, `holds no private key: ${reasonOf(error)}`);
  }
}

async function publicKey(path: string, text: string): Promise<PublicKey> {
  try {
    return await importPublicKey(text);
  } catch (error) {
    throw new FileError(path, `holds no public key: ${reasonOf(error)}`);
  }
}

/**
 * Without the cause: the message of a runtime may quote a private key, which may be in a `.pk` file
 * by mistake.
 */
function reasonOf(error: unknown): string {
  return K4netError.is(error) ? error.message : 'the key cannot be used';
}

function notServerKey(path: string): FileError {
  return new FileError(path, 'holds a P-256 key, but the key of a server must be RSA');
}

function neitherReadNorMade(path: string): FileError {
  return new FileError(path, 'can neither be read nor made: it is a dangling link, or was just removed');
}

const warnings = new WarnOnce();

/**
 * Warns about a private key that other users can read. It is no error, as it is in ssh: secrets
 * that are mounted into a container, and disks of another system, often have such permissions and
 * no way to change them.
 */
function warnAboutAccess(path: string, { mode, uid }: SmallFile): void {
  if (platform() === 'win32') return;
  if ((mode & 0o077) !== 0) {
    const bits = mode.toString(8).padStart(4, '0');
    const text = `other users can open the private key file '${path}' (mode ${bits}): run chmod 600 on it`;
    warnings.warn(`mode ${path}`, text, 'K4NET_KEY_PERMISSIONS');
  }
  const own = userId();
  if (own !== undefined && uid !== own && uid !== 0) {
    const text = `the private key file '${path}' belongs to another user (${uid}), who can read and replace it`;
    warnings.warn(`owner ${path}`, text, 'K4NET_KEY_OWNER');
  }
}

/**
 * Loads the public key that a client has pinned in `<keyPath>.pk`; undefined if there is no such
 * file.
 *
 * @throws FileError naming the file, if it cannot be read or holds no public key of a server.
 */
export async function loadClientPin(keyPath: string): Promise<PublicKey | undefined> {
  const path = keyFile(keyPath, '.pk');
  const file = await readSmallFile(path, maxKeyFile);
  if (!file) return undefined;
  const key = await publicKey(path, textOf(path, file.bytes));
  if (key.type !== 'rsa') throw notServerKey(path);
  return key;
}

/**
 * Pins a server's key: saves it in `<keyPath>.pk` (SPKI PEM). The handshake must have verified it.
 * A key that is there already is never replaced.
 *
 * @throws KeyMismatchError if another process has pinned another key in the meantime.
 */
export async function saveClientPin(keyPath: string, key: PublicKey): Promise<void> {
  const path = keyFile(keyPath, '.pk');
  if ((await createOnce(path, ascii(key.toPem()), 0o644)) === 'made') return;
  const pinned = await loadClientPin(keyPath);
  if (!pinned) throw neitherReadNorMade(path);
  if (!pinned.equals(key)) throw new KeyMismatchError(pinned.fingerprint, key.fingerprint);
}

function textOf(path: string, bytes: Bytes): string {
  if (bytes.length === 0) throw new FileError(path, 'is empty');
  try {
    return decodeUtf8(bytes);
  } catch {
    throw new FileError(path, 'is not text: a key file is in PEM');
  }
}
