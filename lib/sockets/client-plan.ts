import { kindOf } from '../bytes.js';
import { importKeyPair, importPublicKey, type PublicKey, type PublicKeySource } from '../crypto/keys.js';
import { flag } from '../options.js';
import { warn } from '../runtime.js';
import { ClientHandshake } from '../session/client-handshake.js';
import { checkClientOptions, type ClientHandshakeOptions } from '../session/client-options.js';
import type { Handshake } from '../session/handshake.js';
import type { Session } from '../session/session.js';
import { loadClientPin, saveClientPin } from '../trust/key-file.js';
import { checkKnownHost, fileKnownHosts, type KnownHosts } from '../trust/known-hosts.js';
import type { ClientChoices, Peer } from './encrypted-socket-options.js';
import { handshakeTimeout, sessionOptions, type PeerPlan, type PlanChoices } from './session-choices.js';

/** What one way of trust says before the handshake, and does after it. */
interface Trust {
  readonly how: Peer['how'];
  readonly options: Pick<ClientHandshakeOptions, 'serverKey' | 'pin' | 'decideServerKey'>;
  readonly succeeded?: (key: PublicKey) => Promise<void>;
}

/** The client's side of a session: which server it trusts, and what it says of itself. */
export class ClientPlan implements PeerPlan {
  readonly timeout: number;
  readonly #choices: ClientChoices & PlanChoices;
  readonly #storeName: string | undefined;
  #trust: Trust | undefined;

  /**
   * @param storeName - the name under which a known-hosts store has the server; without it, `serverName`.
   * @throws TypeError for options that contradict each other or say what cannot be.
   */
  constructor(choices: ClientChoices & PlanChoices, storeName: string | undefined = choices.serverName) {
    this.timeout = handshakeTimeout(choices);
    this.#choices = choices;
    this.#storeName = storeName;
    checkTrust(choices, storeName);
    flag('identifyToUnknownServer', choices.identifyToUnknownServer, false);
    checkClientOptions({ ...sessionOptions(choices), serverName: choices.serverName });
  }

  async begin(): Promise<Handshake> {
    const { clientKey, serverName, identifyToUnknownServer } = this.#choices;
    const identity = clientKey === undefined ? undefined : await importKeyPair(clientKey);
    const trust = await this.#decide();
    this.#trust = trust;
    return new ClientHandshake({
      ...sessionOptions(this.#choices),
      ...trust.options,
      identity,
      serverName,
      identifyToUnknownServer,
    });
  }

  async succeeded({ facts }: Session): Promise<void> {
    await this.#trust?.succeeded?.(facts.serverKey);
  }

  peerOf({ facts: { serverKey, serverName, appProtocol } }: Session): Peer {
    const how = this.#trust?.how ?? 'unchecked';
    const authenticated = how === 'key' || how === 'pin' || how === 'known-hosts';
    const { fingerprint } = serverKey;
    return { fingerprint, publicKey: serverKey, authenticated, how, serverName, appProtocol };
  }

  async #decide(): Promise<Trust> {
    const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = this.#choices;
    if (key !== undefined) return { how: 'key', options: { serverKey: await importPublicKey(key) } };
    if (keyPath !== undefined) return byFile(keyPath);
    if (pin !== undefined) return byPin(pin);
    if (knownHosts !== undefined && knownHosts !== false && this.#storeName !== undefined) {
      return byStore(storeOf(knownHosts), this.#storeName);
    }
    if (insecureAcceptAnyKey !== true) warnUnauthenticated();
    return { how: 'unchecked', options: {} };
  }
}

const firstUse: Trust['options'] = { decideServerKey: () => 'new' };

async function byFile(keyPath: string): Promise<Trust> {
  const pinned = await loadClientPin(keyPath);
  // Asked for all the same: a server whose key has changed is to be told from one that is not there.
  if (pinned) return { how: 'key', options: { pin: pinned.fingerprint } };
  return { how: 'first-use', options: firstUse, succeeded: (key) => saveClientPin(keyPath, key) };
}

async function byPin(pin: PublicKeySource | readonly PublicKeySource[]): Promise<Trust> {
  const pins = listOf(pin);
  const [only] = pins;
  // A whole key, unlike its fingerprint, saves asking for it.
  if (pins.length === 1 && only !== undefined && !isFingerprint(only)) {
    return { how: 'pin', options: { serverKey: await importPublicKey(only) } };
  }
  const fingerprints = pins.map(async (one) =>
    isFingerprint(one) ? one : (await importPublicKey(one)).fingerprint,
  );
  return { how: 'pin', options: { pin: await Promise.all(fingerprints) } };
}

async function byStore(store: KnownHosts, name: string): Promise<Trust> {
  const known = await store.get(name);
  if (known) {
    checkKnownHost(known);
    return {
      how: 'known-hosts',
      options: { pin: known.fingerprint },
      succeeded: ({ fingerprint }) => {
        // A date that is a day old must neither fail a connection nor hold it up.
        store.touch?.(name, fingerprint).catch(() => undefined);
        return Promise.resolve();
      },
    };
  }
  return {
    how: 'first-use',
    options: firstUse,
    succeeded: async ({ fingerprint }) => {
      checkKnownHost(await store.addIfAbsent(name, fingerprint), fingerprint);
    },
  };
}

function checkTrust(choices: ClientChoices, storeName: string | undefined): void {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = choices;
  flag('insecureAcceptAnyKey', insecureAcceptAnyKey, false);
  const ways = {
    key: key !== undefined || keyPath !== undefined,
    pin: pin !== undefined,
    knownHosts: knownHosts !== undefined && knownHosts !== false,
    insecureAcceptAnyKey: insecureAcceptAnyKey === true,
  };
  const given = Object.entries(ways).filter(([, is]) => is);
  if (given.length > 1) {
    const names = given.map(([name]) => (name === 'key' && key === undefined ? 'keyPath' : name));
    throw new TypeError(
      `${names.map((name) => `'${name}'`).join(' and ')} contradict each other: one is to decide`,
    );
  }
  if (pin !== undefined && listOf(pin).length === 0) {
    throw new TypeError('pin is a fingerprint or a public key, or a list of some, not an empty list');
  }
  if (ways.knownHosts && storeName === undefined) {
    throw new TypeError("'knownHosts' needs a 'serverName' to look up");
  }
  if (ways.knownHosts) checkStore(knownHosts);
}

function checkStore(store: unknown): void {
  if (store === true || (typeof store === 'string' && store !== '')) return;
  const { get, addIfAbsent } = (
    typeof store === 'object' && store !== null ? store : {}
  ) as Partial<KnownHosts>;
  if (typeof get === 'function' && typeof addIfAbsent === 'function') return;
  throw new TypeError(`knownHosts is true, a path or a store, not ${kindOf(store)}`);
}

function storeOf(store: true | string | KnownHosts): KnownHosts {
  if (store === true) return fileKnownHosts();
  return typeof store === 'string' ? fileKnownHosts(store) : store;
}

function listOf(pin: PublicKeySource | readonly PublicKeySource[]): readonly PublicKeySource[] {
  return Array.isArray(pin) ? (pin as readonly PublicKeySource[]) : [pin as PublicKeySource];
}

function isFingerprint(source: PublicKeySource): source is string {
  return typeof source === 'string' && source.startsWith('sha256:');
}

let warned = false;

function warnUnauthenticated(): void {
  if (warned) return;
  warned = true;
  const mend = "give 'key', 'keyPath', 'pin' or 'knownHosts', or say insecureAcceptAnyKey: true";
  warn(
    `nothing says which key the server must have, so anybody in between could be it: ${mend}`,
    'K4NET_UNAUTHENTICATED',
  );
}
