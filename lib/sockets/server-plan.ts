import { equalBytes, kindOf } from '../util/bytes.js';
import { debug } from '../util/debug.js';
import { checkKeyPairSource, generateKeyPair, importKeyPair, type KeyPair } from '../crypto/keys.js';
import { K4netError } from '../errors.js';
import type { Handshake } from '../session/handshake/machine.js';
import { ServerHandshake } from '../session/handshake/server.js';
import { checkServerKey, checkServerOptions, type ServerKeyChoice } from '../session/handshake/options.js';
import { checkServerName } from '../session/handshake/options.js';
import type { Session } from '../session/session.js';
import { normalizeHostName } from '../trust/host-name.js';
import { keyFile, loadServerKey, readServerKey } from '../trust/key-file.js';
import type { Peer, ServerChoices } from './encrypted-socket-options.js';
import {
  describePeer,
  handshakeTimeout,
  sessionOptions,
  type Checked,
  type PeerPlan,
  type PlanChoices,
} from './session-choices.js';

/** What limits the handshakes of a server. */
export interface HandshakeHooks {
  /** The first unit of the client is complete. */
  onHello(): void;
  /** Runs an RSA decryption in its turn. Rejects with `K4NET_BUSY` when too many wait. */
  decrypt<T>(job: () => Promise<T>): Promise<T>;
}

/** The server's side of a session. */
export class ServerPlan implements PeerPlan {
  readonly timeout: number;
  readonly #choices: Checked<ServerChoices> & PlanChoices;
  readonly #hooks: HandshakeHooks | undefined;

  /** @throws TypeError for options that say what cannot be. */
  constructor(choices: Checked<ServerChoices> & PlanChoices, hooks?: HandshakeHooks) {
    this.timeout = handshakeTimeout(choices);
    this.#choices = choices;
    this.#hooks = hooks;
    checkServerChoices(choices);
  }

  async begin(): Promise<Handshake> {
    const { clientAuth, authorize } = this.#choices;
    const hooks = this.#hooks;
    return new ServerHandshake({
      ...sessionOptions(this.#choices),
      key: keyChoice(await serverKeys(this.#choices), this.#choices.serverNames),
      clientAuth,
      authorize:
        authorize &&
        (({ clientKey, serverName, appProtocol }) =>
          authorize({ fingerprint: clientKey.fingerprint, publicKey: clientKey, serverName, appProtocol })),
      decryptQueue: hooks && ((job) => hooks.decrypt(job)),
      onHello: () => hooks?.onHello(),
    });
  }

  succeeded(session: Session): Promise<void> {
    debug?.(`trust in client: ${describePeer(this.peerOf(session))}`);
    return Promise.resolve();
  }

  peerOf({ facts: { clientKey, serverName, appProtocol } }: Session): Peer {
    return {
      fingerprint: clientKey?.fingerprint,
      publicKey: clientKey,
      // Without somebody who looks at it, a key says only that its owner has made one.
      authenticated: clientKey !== undefined && this.#choices.authorize !== undefined,
      how: clientKey ? 'client-key' : 'none',
      serverName,
      appProtocol,
    };
  }
}

/** The keys of a server: the first one is offered. */
export type ServerKeys = readonly [KeyPair, ...KeyPair[]];

/**
 * The keys that the choices name, or a new one that lives in memory only.
 *
 * @throws TypeError for a key that is no server's; FileError for a file that cannot be read or
 * made, or that is missing although it is not the first.
 */
export async function serverKeys({ key, keyPath, keySize }: Checked<ServerChoices>): Promise<ServerKeys> {
  if (keyPath !== undefined) {
    const [first, ...others] = listOf('keyPath', keyPath);
    // The others before the first, which may be made: a list with a mistake in it leaves no new
    // file.
    const known = await Promise.all(others.map(readServerKey));
    return [await loadServerKey(first, keySize), ...known];
  }
  const [first, ...others] = listOf(
    'key',
    key ?? (await generateKeyPair(keySize === undefined ? {} : { keySize })),
  );
  const keys: ServerKeys = [await importKeyPair(first), ...(await Promise.all(others.map(importKeyPair)))];
  for (const each of keys) checkServerKey(each);
  return keys;
}

function listOf<T>(name: string, value: T | readonly T[]): readonly [T, ...T[]] {
  const [first, ...others] = Array.isArray(value) ? (value as readonly T[]) : [value as T];
  if (first === undefined) throw new TypeError(`${name} is one key or a list of keys, not an empty list`);
  return [first, ...others];
}

/**
 * The first key for a client that asks for one, otherwise the key that the client means; none for a
 * foreign name.
 */
function keyChoice(keys: ServerKeys, serverNames: readonly string[] | undefined): ServerKeyChoice {
  const names = serverNames && new Set(serverNames.map(normalizeHostName));
  return (serverName, keyId) => {
    if (names && serverName !== undefined && !names.has(normalizeHostName(serverName))) {
      throw new K4netError(
        'K4NET_UNKNOWN_SERVER_KEY',
        `the client means the server '${serverName}', which is not among the serverNames of this server`,
      );
    }
    return keyId ? keys.find(({ publicKey }) => equalBytes(publicKey.id, keyId)) : keys[0];
  };
}

function checkServerNames(names: unknown): void {
  if (!Array.isArray(names)) throw new TypeError(`serverNames is a list of names, not ${kindOf(names)}`);
  if (names.length === 0)
    throw new TypeError('serverNames is an empty list: leave it out to accept every name');
  for (const name of names as readonly unknown[]) {
    if (typeof name !== 'string')
      throw new TypeError(`serverNames is a list of strings, not of ${kindOf(name)}`);
    checkServerName(name);
  }
}

/** Refuses choices that no handshake could keep, before there is a key. */
export function checkServerChoices(choices: Checked<ServerChoices> & PlanChoices): void {
  const { key, keyPath, keySize, serverNames, clientAuth, authorize } = choices;
  if (key !== undefined && keyPath !== undefined) {
    throw new TypeError("'key' and 'keyPath' contradict each other: one is to decide");
  }
  if (key !== undefined) for (const each of listOf('key', key)) checkKeyPairSource('key', each);
  if (keyPath !== undefined) for (const each of listOf('keyPath', keyPath)) keyFile(each, '.sk');
  if (serverNames !== undefined) checkServerNames(serverNames);
  if (keySize !== undefined && ![2048, 3072, 4096].includes(keySize)) {
    throw new RangeError(`keySize is 2048, 3072 or 4096, not ${String(keySize)}`);
  }
  if (authorize !== undefined && typeof authorize !== 'function') {
    throw new TypeError(`authorize is a function, not ${kindOf(authorize)}`);
  }
  if (authorize && (clientAuth === undefined || clientAuth === 'none')) {
    throw new TypeError("'authorize' is never asked unless clientAuth is 'wanted' or 'required'");
  }
  // The key comes later, and is checked by the handshake then.
  checkServerOptions({ ...sessionOptions(choices), key: () => undefined, clientAuth });
}
