import { checkKeyPairSource, importKeyPair } from '../crypto/key-pair.js';
import { checkWebCrypto } from '../crypto/suite.js';
import { ClientHandshake } from '../session/handshake/client.js';
import { checkClientOptions, checkServerOptions, type SessionOptions } from '../session/handshake/options.js';
import type { Handshake } from '../session/handshake/machine.js';
import { ServerHandshake } from '../session/handshake/server.js';
import { defaultRecordLimit } from '../session/record/format.js';
import type { SessionPlan } from '../session/handshake/driver.js';
import type { Session } from '../session/session.js';
import { checkServerKeys, keyChoice, serverKeys } from '../trust/server-keys.js';
import { checkServerTrust, decideTrust, type TrustDecision } from '../trust/server-trust.js';
import { debug } from '../util/debug.js';
import { withOptions } from '../util/options.js';
import type { CheckedClient, CheckedServer, CheckedSession } from './encrypted-socket-options.js';
import type { Peer } from './peer.js';
import type { CheckedOptions } from './locked-socket-options.js';

/** A plan for a session that can also describe the peer. */
export interface PeerPlan extends SessionPlan {
  peerOf(session: Session): Peer;
}

/** The options of a plan. `recvSize` decides the default of `recordLimit`. */
type PlanChoices = CheckedSession & Pick<CheckedOptions, 'recvSize'>;

/**
 * Longer records save little. Each record needs a cipher, whose creation takes a fifth of the time
 * to decrypt 64 KiB.
 */
const maxDefaultRecordLimit = 256 * 1024;

/**
 * Makes a handshake from the options of a client: the servers that it trusts, and the key that it
 * shows.
 */
export class ClientPlan implements PeerPlan {
  readonly timeout: number;
  readonly #choices: CheckedClient & PlanChoices;
  readonly #storeName: string | undefined;
  #trust: TrustDecision | undefined;

  /**
   * @param storeName - name of the server in a known-hosts store. Default: `serverName`.
   * @throws TypeError for an invalid option, and for options that exclude each other.
   */
  constructor(choices: CheckedClient & PlanChoices, storeName: string | undefined = choices.serverName) {
    this.timeout = choices.handshakeTimeout;
    this.#choices = choices;
    this.#storeName = storeName;
    checkClientOptions(withOptions({ ...sessionOptions(choices), serverName: choices.serverName }));
    checkServerTrust(choices, storeName);
    if (choices.clientKey !== undefined) checkKeyPairSource('clientKey', choices.clientKey);
  }

  async begin(): Promise<Handshake> {
    checkWebCrypto();
    const { clientKey, serverName, identifyToUnknownServer } = this.#choices;
    const identity = clientKey === undefined ? undefined : await importKeyPair(clientKey);
    const { serverKey, pin } = (this.#trust = await decideTrust(this.#choices, this.#storeName));
    return new ClientHandshake(
      withOptions({
        ...sessionOptions(this.#choices),
        serverKey,
        pin,
        identity,
        serverName,
        identifyToUnknownServer,
      }),
    );
  }

  async succeeded(session: Session): Promise<void> {
    await this.#trust?.verified?.(session.facts.serverKey);
    debug?.(`trust in server ${this.#storeName ?? 'without a name'}: ${describePeer(this.peerOf(session))}`);
  }

  peerOf({ facts: { serverKey, serverName, appProtocol } }: Session): Peer {
    const how = this.#trust?.how ?? 'unchecked';
    const authenticated = how === 'key' || how === 'pin' || how === 'known-hosts';
    const { fingerprint } = serverKey;
    return { fingerprint, publicKey: serverKey, authenticated, how, serverName, appProtocol };
  }
}

/** The functions with which a server limits its handshakes. */
export interface HandshakeHooks {
  /** The first unit of the client is complete. */
  onHello(): void;
  /** Queues and runs an RSA decryption. Rejects with `K4NET_BUSY` if too many wait. */
  scheduleDecryption<T>(job: () => Promise<T>): Promise<T>;
}

/**
 * Makes a handshake from the options of a server: its keys, and the clients that it accepts.
 */
export class ServerPlan implements PeerPlan {
  readonly timeout: number;
  readonly #choices: CheckedServer & PlanChoices;
  readonly #hooks: HandshakeHooks | undefined;

  /** @throws TypeError for an invalid option, and for options that exclude each other. */
  constructor(choices: CheckedServer & PlanChoices, hooks?: HandshakeHooks) {
    this.timeout = choices.handshakeTimeout;
    this.#choices = choices;
    this.#hooks = hooks;
    checkServerChoices(choices);
  }

  async begin(): Promise<Handshake> {
    checkWebCrypto();
    const { clientAuth, authorize, serverNames } = this.#choices;
    const hooks = this.#hooks;
    return new ServerHandshake({
      ...sessionOptions(this.#choices),
      key: keyChoice(await serverKeys(this.#choices), serverNames),
      clientAuth,
      authorize:
        authorize &&
        (({ clientKey, serverName, appProtocol }) =>
          authorize({ fingerprint: clientKey.fingerprint, publicKey: clientKey, serverName, appProtocol })),
      scheduleDecryption: hooks && ((job) => hooks.scheduleDecryption(job)),
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
      // Anyone can make a key: without `authorize`, nothing has checked whose key it is.
      authenticated: clientKey !== undefined && this.#choices.authorize !== undefined,
      how: clientKey ? 'client-key' : 'none',
      serverName,
      appProtocol,
    };
  }
}

/**
 * Checks the options of a server without I/O.
 *
 * @throws TypeError for an invalid option, and for options that exclude each other.
 */
export function checkServerChoices(choices: CheckedServer & PlanChoices): void {
  const { clientAuth, authorize } = choices;
  checkServerKeys(choices);
  if (authorize && clientAuth === 'none') {
    throw new TypeError(
      "'authorize' needs clientAuth: 'wanted' or 'required'; with 'none' it is never called",
    );
  }
  // The keys are loaded later. The handshake checks them.
  checkServerOptions({ ...sessionOptions(choices), key: () => undefined, clientAuth });
}

/** Returns the options that the handshake takes. */
export function sessionOptions(choices: Omit<PlanChoices, 'handshakeTimeout'>): SessionOptions {
  const { appProtocols, padding, cipher, recvSize } = choices;
  const recordLimit = choices.recordLimit ?? Math.min(recvSize, maxDefaultRecordLimit);
  // Send record_limit only if it is explicit or above the default: every peer assumes the default.
  const sent = choices.recordLimit !== undefined || recordLimit > defaultRecordLimit;
  return { appProtocols, recordLimit: sent ? recordLimit : undefined, padding, cipher };
}

/** Describes the peer in the debug log. */
function describePeer({ how, fingerprint, authenticated }: Peer): string {
  const key = fingerprint === undefined ? 'no key' : `key ${fingerprint}`;
  return `${how}, ${key}, ${authenticated ? 'authenticated' : 'not authenticated'}`;
}

/** The plan of a client. */
export function clientPlan(options: CheckedClient & PlanChoices): PeerPlan {
  return new ClientPlan(options);
}

/** The plan of a server. */
export function serverPlan(options: CheckedServer & PlanChoices): PeerPlan {
  return new ServerPlan(options);
}

/** The parts of this module that `connect` and `listen` use. */
export interface Plans {
  readonly ClientPlan: typeof ClientPlan;
  readonly ServerPlan: typeof ServerPlan;
  readonly checkServerChoices: typeof checkServerChoices;
  readonly checkWebCrypto: typeof checkWebCrypto;
  readonly serverKeys: typeof serverKeys;
}

/** Returns the plans. A promise, because the form for browsers loads them on demand. */
export function loadPlans(): Promise<Plans> {
  return Promise.resolve({ ClientPlan, ServerPlan, checkServerChoices, checkWebCrypto, serverKeys });
}
