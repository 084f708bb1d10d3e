import { type Bytes, ascii, decodeUtf8, kindOf } from '../util/bytes.js';
import {
  type GenerateKeyPairOptions,
  type KeyPair,
  type PublicKey,
  generateKeyPair,
  importKeyPair,
  importPublicKey,
} from '../crypto/keys.js';
import { FileError, K4netError, KeyMismatchError } from '../errors.js';
import { platform, userId, emitWarning } from '../platform/runtime.js';
import { createOnce } from './atomic-file.js';
import { type SmallFile, readSmallFile } from './small-file.js';

const maxKeyFile = 65_536;

type KeySize = NonNullable<GenerateKeyPairOptions['keySize']>;

/**
 * The file of a key: `keyPath` with `.sk` for a server's private key, `.pk` for the public one that a client pins. A
 * `keyPath` that has either suffix already means the same pair of files, so that no private key gets into a `.pk`.
 */
export function keyFile(keyPath: string, suffix: '.sk' | '.pk'): string {
  if (typeof keyPath !== 'string') throw new TypeError(`keyPath is a string, not ${kindOf(keyPath)}`);
  const stem = keyPath.replace(/\.[sp]k$/, '');
  // Of '' and 'folder/' there would be a file without a name but for its suffix.
  if (/(^|[/\\])$/.test(stem) || stem.includes('\0')) {
    throw new TypeError(`keyPath is the path of a file, not ${JSON.stringify(keyPath)}`);
  }
  return stem + suffix;
}

/**
 * A server's key: the one in `<keyPath>.sk`, or a new one that is saved there (PKCS#8 PEM, for its owner only).
 * However many processes start at once, all end with the same key. The folder must be there.
 *
 * @param keySize - bits of a new key; one that is there already is used whatever its size.
 * @throws FileError naming the file, for one that cannot be read or made, or that holds no key for a server.
 */
export async function loadServerKey(keyPath: string, keySize?: KeySize): Promise<KeyPair> {
  const path = keyFile(keyPath, '.sk');
  const key =
    (await readPrivate(path)) ?? (await makeServerKey(keyPath, keySize)) ?? (await readPrivate(path));
  if (key) return key;
  throw new FileError(path, 'can neither be read nor made: it is a link to nowhere, or was just removed');
}

/**
 * A server's key that must be there: the one in `<keyPath>.sk`.
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
 * @param keySize - bits of the key, the default of {@link generateKeyPair} where it is left out.
 * @returns undefined if there is such a file already.
 * @throws FileError naming the file, if it cannot be made.
 */
export async function makeServerKey(keyPath: string, keySize?: KeySize): Promise<KeyPair | undefined> {
  const path = keyFile(keyPath, '.sk');
  const pair = await generateKeyPair(keySize === undefined ? {} : { keySize });
  return (await createOnce(path, ascii(pair.toPem()), 0o600)) === 'made' ? pair : undefined;
}

/**
 * The fingerprint of a key in a file, private or public, in PEM.
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
  if (!pair.canDecrypt) throw new FileError(path, "is no server's key: that is an RSA key");
  warnIfOpen(path, file);
  return pair;
}

async function privateKey(path: string, text: string): Promise<KeyPair> {
  // Beside the form with its own label there is the older one, which says so in a header inside the block.
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m.test(text)) {
    throw new FileError(path, 'is encrypted with a passphrase: decrypt it first');
  }
  try {
    return await importKeyPair(text);
  } catch (error) {
    // Without the cause: what a runtime says about a private key is not ours to pass on.
    const reason = K4netError.is(error) ? error.message : 'the key cannot be used';
    throw new FileError(path, `is no private key: ${reason}`);
  }
}

const warned = new Set<string>();

/**
 * ssh refuses a private key that others can read. Here it is a warning: secrets that are mounted into a container,
 * and disks of another system, often have such bits and owners and no way to change them.
 */
function warnIfOpen(path: string, { mode, uid }: SmallFile): void {
  if (platform() === 'win32') return;
  if ((mode & 0o077) !== 0) {
    const bits = mode.toString(8).padStart(4, '0');
    warnOnce(path, `is open to other users (${bits}): chmod 600 it`, 'K4NET_KEY_PERMISSIONS');
  }
  const own = userId();
  if (own !== undefined && uid !== own && uid !== 0) {
    warnOnce(path, `belongs to another user (${uid}), who can read and replace it`, 'K4NET_KEY_OWNER');
  }
}

function warnOnce(path: string, what: string, code: string): void {
  const warning = `${code} ${path}`;
  if (warned.has(warning)) return;
  warned.add(warning);
  emitWarning(`the private key '${path}' ${what}`, code);
}

/**
 * The public key that a client has pinned in `<keyPath>.pk`, or undefined when there is no such file.
 *
 * @throws FileError naming the file, for one that cannot be read or that holds no public key of a server.
 */
export async function loadClientPin(keyPath: string): Promise<PublicKey | undefined> {
  const path = keyFile(keyPath, '.pk');
  const file = await readSmallFile(path, maxKeyFile);
  if (!file) return undefined;
  const key = await publicKey(path, textOf(path, file.bytes));
  if (key.type !== 'rsa') throw new FileError(path, "is no server's key: that is an RSA key");
  return key;
}

async function publicKey(path: string, text: string): Promise<PublicKey> {
  try {
    return await importPublicKey(text);
  } catch (error) {
    // No cause here either: the file may be a private key that somebody has put in the wrong place.
    const reason = K4netError.is(error) ? error.message : 'the key cannot be used';
    throw new FileError(path, `is no public key: ${reason}`);
  }
}

/**
 * Pins a server's key: saves it in `<keyPath>.pk` (SPKI PEM). To be called once the handshake has verified it. A key
 * that is there already is never replaced.
 *
 * @throws KeyMismatchError when another key has been pinned meanwhile.
 */
export async function saveClientPin(keyPath: string, key: PublicKey): Promise<void> {
  const path = keyFile(keyPath, '.pk');
  if ((await createOnce(path, ascii(key.toPem()), 0o644)) === 'made') return;
  const pinned = await loadClientPin(keyPath);
  if (!pinned)
    throw new FileError(path, 'can neither be read nor made: it is a link to nowhere, or was just removed');
  if (!pinned.equals(key)) throw new KeyMismatchError(pinned.fingerprint, key.fingerprint);
}

function textOf(path: string, bytes: Bytes): string {
  if (bytes.length === 0) throw new FileError(path, 'is empty');
  try {
    return decodeUtf8(bytes);
  } catch {
    throw new FileError(path, 'is not text: a key is kept as PEM');
  }
}
