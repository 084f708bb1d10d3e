import { kindOf } from '../bytes.js';
import { checkKeyPairSource, generateKeyPair, importKeyPair, type KeyPair } from '../crypto/keys.js';
import type { Handshake } from '../session/handshake.js';
import { ServerHandshake } from '../session/server-handshake.js';
import { checkServerOptions, type ServerHandshakeOptions } from '../session/server-options.js';
import type { Session } from '../session/session.js';
import { keyFile, loadServerKey } from '../trust/key-file.js';
import type { Peer, ServerChoices } from './encrypted-socket-options.js';
import {
  handshakeTimeout,
  sessionOptions,
  type Checked,
  type PeerPlan,
  type PlanChoices,
} from './session-choices.js';

/** Runs an RSA decryption in its turn. */
export type DecryptQueue = NonNullable<ServerHandshakeOptions['decryptQueue']>;

/** The server's side of a session. */
export class ServerPlan implements PeerPlan {
  readonly timeout: number;
  readonly #choices: Checked<ServerChoices> & PlanChoices;
  readonly #decryptQueue: DecryptQueue | undefined;

  /** @throws TypeError for options that say what cannot be. */
  constructor(choices: Checked<ServerChoices> & PlanChoices, decryptQueue?: DecryptQueue) {
    this.timeout = handshakeTimeout(choices);
    this.#choices = choices;
    this.#decryptQueue = decryptQueue;
    checkServerChoices(choices);
  }

  async begin(): Promise<Handshake> {
    const { clientAuth, authorize } = this.#choices;
    return new ServerHandshake({
      ...sessionOptions(this.#choices),
      key: await serverKey(this.#choices),
      clientAuth,
      authorize:
        authorize &&
        (({ clientKey, serverName, appProtocol }) =>
          authorize({ fingerprint: clientKey.fingerprint, publicKey: clientKey, serverName, appProtocol })),
      decryptQueue: this.#decryptQueue,
    });
  }

  succeeded(): Promise<void> {
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

/** The key that the choices name, or a new one that lives in memory only. */
export async function serverKey({ key, keyPath, keySize }: Checked<ServerChoices>): Promise<KeyPair> {
  if (key !== undefined) return importKeyPair(key);
  if (keyPath !== undefined) return loadServerKey(keyPath, keySize);
  return generateKeyPair({ ...(keySize !== undefined && { keySize }) });
}

/** Refuses choices that no handshake could keep, before there is a key. */
export function checkServerChoices(choices: Checked<ServerChoices> & PlanChoices): void {
  const { key, keyPath, keySize, clientAuth, authorize } = choices;
  if (key !== undefined && keyPath !== undefined) {
    throw new TypeError("'key' and 'keyPath' contradict each other: one is to decide");
  }
  if (key !== undefined) checkKeyPairSource('key', key);
  if (keyPath !== undefined) keyFile(keyPath, '.sk');
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
