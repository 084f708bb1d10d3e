import { checkKeyPairSource, generateKeyPair, importKeyPair } from '../crypto/key-pair.js';
import type { KeyPair, KeyPairSource } from '../crypto/key-pair.js';
import { K4netError } from '../errors.js';
import { checkServerKey, checkServerName, type ServerKeyChoice } from '../session/handshake/options.js';
import { equalBytes, kindOf } from '../util/bytes.js';
import type { OrUndefined } from '../util/options.js';
import { keyFile, loadServerKey, readServerKey } from '#files';
import { normalizeHostName } from './known-hosts.js';

/** The keys and the names of a server, as options. */
export interface ServerKeyOptions {
  /**
   * The server's private key: PEM, DER or a `CryptoKeyPair`. Not together with `keyPath`. In a
   * list, the first key is shown to clients that ask for one, and clients that know any of the keys
   * are accepted.
   */
  readonly key?: KeyPairSource | readonly KeyPairSource[];
  /**
   * Path of the server's private key without its suffix: the file is `<keyPath>.sk`. A missing file
   * is made. A list works like one of `key`, but only its first file is made: another that is
   * missing is a {@link FileError}.
   */
  readonly keyPath?: string | readonly string[];
  /** Bits of a key that is made: 2048, 3072 (the default) or 4096. */
  readonly keySize?: 2048 | 3072 | 4096 | undefined;
  /**
   * The names of this server. A client that asks for another name is refused
   * (`K4NET_UNKNOWN_SERVER_KEY`); a client that sends no name is accepted. Names are compared as in
   * known hosts: case does not matter. Default: every name is accepted.
   */
  readonly serverNames?: readonly string[];
}

/** The keys of a server. The first one is shown to clients that ask for a key. */
export type ServerKeys = readonly [KeyPair, ...KeyPair[]];

/**
 * Returns the keys of a server: those of its options, or a new key that is only in memory.
 *
 * @throws TypeError for a key that no server can have; FileError for a file that cannot be read or
 * made, or that is missing although it is not the first.
 */
export async function serverKeys(options: OrUndefined<ServerKeyOptions>): Promise<ServerKeys> {
  const { key, keyPath, keySize } = options;
  if (keyPath !== undefined) {
    const [first, ...others] = nonEmptyList('keyPath', keyPath);
    // The others come before the first, which may be made: a list with a mistake leaves no new
    // file.
    const known = await Promise.all(others.map(readServerKey));
    return [await loadServerKey(first, keySize), ...known];
  }
  const source = key ?? (await generateKeyPair(keySize === undefined ? {} : { keySize }));
  const [first, ...others] = nonEmptyList('key', source);
  const keys: ServerKeys = [await importKeyPair(first), ...(await Promise.all(others.map(importKeyPair)))];
  for (const each of keys) checkServerKey(each);
  return keys;
}

/**
 * Returns the function that chooses a key for a client: the first key if the client asks for one,
 * otherwise the key that the client names. It throws `K4NET_UNKNOWN_SERVER_KEY` for a name that is
 * not among `serverNames`.
 */
export function keyChoice(keys: ServerKeys, serverNames: readonly string[] | undefined): ServerKeyChoice {
  const names = serverNames && new Set(serverNames.map(normalizeHostName));
  return (serverName, keyId) => {
    if (names && serverName !== undefined && !names.has(normalizeHostName(serverName))) {
      throw new K4netError(
        'K4NET_UNKNOWN_SERVER_KEY',
        `the client asks for the server '${serverName}', which is not in serverNames`,
      );
    }
    return keyId ? keys.find(({ publicKey }) => equalBytes(publicKey.id, keyId)) : keys[0];
  };
}

/**
 * Checks the key options of a server without I/O.
 *
 * @throws TypeError for an invalid option, and for options that exclude each other.
 */
export function checkServerKeys(options: OrUndefined<ServerKeyOptions>): void {
  const { key, keyPath, serverNames } = options;
  if (key !== undefined && keyPath !== undefined) {
    throw new TypeError("'key' and 'keyPath' exclude each other: set one of them");
  }
  if (key !== undefined) for (const each of nonEmptyList('key', key)) checkKeyPairSource('key', each);
  if (keyPath !== undefined) for (const each of nonEmptyList('keyPath', keyPath)) keyFile(each, '.sk');
  if (serverNames !== undefined) checkServerNames(serverNames);
}

function checkServerNames(names: unknown): void {
  if (!Array.isArray(names)) throw new TypeError(`serverNames must be a list of names, not ${kindOf(names)}`);
  if (names.length === 0) {
    throw new TypeError('serverNames must not be an empty list: leave it out to accept every name');
  }
  for (const name of names as readonly unknown[]) {
    if (typeof name !== 'string') {
      throw new TypeError(`serverNames must be a list of strings, not of ${kindOf(name)}`);
    }
    checkServerName(name);
  }
}

function nonEmptyList<T>(name: string, value: T | readonly T[]): readonly [T, ...T[]] {
  const [first, ...others] = Array.isArray(value) ? (value as readonly T[]) : [value as T];
  if (first === undefined)
    throw new TypeError(`${name} must be one key or a list of keys, not an empty list`);
  return [first, ...others];
}
