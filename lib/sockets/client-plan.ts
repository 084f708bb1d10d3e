import { kindOf } from '../util/bytes.js';
import { debug } from '../util/debug.js';
import {
  checkKeyPairSource,
  checkServerKeySource,
  importKeyPair,
  importPublicKey,
  parseFingerprint,
  type PublicKey,
  type PublicKeySource,
} from '../crypto/keys.js';
import { K4netError, toK4netError } from '../errors.js';
import { flag, withOptions } from '../util/options.js';
import { emitWarning } from '../platform/runtime.js';
import { ClientHandshake } from '../session/handshake/client.js';
import { checkClientOptions } from '../session/handshake/options.js';
import type { Handshake } from '../session/handshake/machine.js';
import type { Session } from '../session/session.js';
import { hostName } from '../trust/host-name.js';
import { keyFile, loadClientPin, saveClientPin } from '../trust/key-file.js';
import {
  checkKnownHost,
  checkState,
  fileKnownHosts,
  type KnownHost,
  type KnownHosts,
} from '../trust/known-hosts.js';
import type { ClientChoices, Peer } from './encrypted-socket-options.js';
import {
  describePeer,
  handshakeTimeout,
  sessionOptions,
  type PeerPlan,
  type PlanChoices,
} from './session-choices.js';

/** Which server key the handshake accepts, and what follows when it has succeeded. */
interface Trust {
  readonly how: Peer['how'];
  readonly serverKey?: PublicKey;
  readonly pin?: string | readonly string[];
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
    flag('identifyToUnknownServer', choices.identifyToUnknownServer, false);
    checkClientOptions(withOptions({ ...sessionOptions(choices), serverName: choices.serverName }));
    checkTrust(choices, storeName);
  }

  async begin(): Promise<Handshake> {
    const { clientKey, serverName, identifyToUnknownServer } = this.#choices;
    const identity = clientKey === undefined ? undefined : await importKeyPair(clientKey);
    const { serverKey, pin } = (this.#trust = await this.#decide());
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
    await this.#trust?.succeeded?.(session.facts.serverKey);
    debug?.(`trust in server ${this.#storeName ?? 'without a name'}: ${describePeer(this.peerOf(session))}`);
  }

  peerOf({ facts: { serverKey, serverName, appProtocol } }: Session): Peer {
    const how = this.#trust?.how ?? 'unchecked';
    const authenticated = how === 'key' || how === 'pin' || how === 'known-hosts';
    const { fingerprint } = serverKey;
    return { fingerprint, publicKey: serverKey, authenticated, how, serverName, appProtocol };
  }

  async #decide(): Promise<Trust> {
    const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = this.#choices;
    if (key !== undefined) return trust({ how: 'key', serverKey: await importPublicKey(key) });
    if (keyPath !== undefined) return byFile(keyPath);
    if (pin !== undefined) return byPin(pin);
    if (knownHosts !== undefined && knownHosts !== false && this.#storeName !== undefined) {
      return byStore(storeOf(knownHosts), hostName(this.#storeName));
    }
    if (insecureAcceptAnyKey !== true) warnUnauthenticated();
    return trust({ how: 'unchecked' });
  }
}

/** Without inherited properties, like the options that it was made of. */
function trust(decided: Trust): Trust {
  return withOptions(decided);
}

async function byFile(keyPath: string): Promise<Trust> {
  const pinned = await loadClientPin(keyPath);
  // Asked for all the same: a server whose key has changed is to be told from one that is not there.
  if (pinned) return trust({ how: 'key', pin: pinned.fingerprint });
  return trust({ how: 'first-use', succeeded: (key) => saveClientPin(keyPath, key) });
}

/** A whole key counts as its fingerprint: the client asks for the server's key and so sees that it has changed. */
async function byPin(pin: PublicKeySource | readonly PublicKeySource[]): Promise<Trust> {
  const fingerprints = listOf(pin).map(async (one) =>
    isFingerprint(one) ? one : (await importPublicKey(one)).fingerprint,
  );
  return trust({ how: 'pin', pin: await Promise.all(fingerprints) });
}

async function byStore(store: KnownHosts, name: string): Promise<Trust> {
  const known = await fromStore(() => store.get(name));
  if (known) {
    checkKnownHost(known);
    return trust({
      how: 'known-hosts',
      pin: known.fingerprint,
      succeeded: ({ fingerprint }) => {
        // A date that is a day old must neither fail a connection nor hold it up.
        const touched = Promise.resolve().then(() => store.touch?.(name, fingerprint));
        touched.catch(() => undefined);
        return Promise.resolve();
      },
    });
  }
  return trust({
    how: 'first-use',
    succeeded: async ({ fingerprint }) => {
      const stored = await fromStore(() => store.addIfAbsent(name, fingerprint));
      if (!stored) throw new K4netError('K4NET_STORE', 'the known-hosts store did not keep a new key');
      checkKnownHost(stored, fingerprint);
    },
  });
}

/** What a store answers, checked: a store may be the program's own. */
async function fromStore(ask: () => Promise<KnownHost | null | undefined>): Promise<KnownHost | undefined> {
  try {
    const known = await ask();
    if (known === undefined || known === null) return undefined;
    parseFingerprint(known.fingerprint);
    checkState(known.state);
    return known;
  } catch (error) {
    throw toK4netError(error, 'K4NET_STORE', 'the known-hosts store failed');
  }
}

function checkTrust(choices: ClientChoices, storeName: string | undefined): void {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey, clientKey } = choices;
  flag('insecureAcceptAnyKey', insecureAcceptAnyKey, false);
  const ways = {
    key: key !== undefined,
    keyPath: keyPath !== undefined,
    pin: pin !== undefined,
    knownHosts: knownHosts !== undefined && knownHosts !== false,
    insecureAcceptAnyKey: insecureAcceptAnyKey === true,
  };
  const given = Object.entries(ways).filter(([, is]) => is);
  if (given.length > 1) {
    throw new TypeError(
      `${given.map(([name]) => `'${name}'`).join(' and ')} contradict each other: one is to decide`,
    );
  }
  if (key !== undefined) checkServerKeySource('key', key);
  if (pin !== undefined) checkPins(listOf(pin));
  if (keyPath !== undefined) keyFile(keyPath, '.pk');
  if (clientKey !== undefined) checkKeyPairSource('clientKey', clientKey);
  if (ways.knownHosts && storeName === undefined) {
    throw new TypeError("'knownHosts' needs a 'serverName' to look up");
  }
  if (ways.knownHosts) checkStore(knownHosts);
  if (ways.knownHosts && storeName !== undefined) hostName(storeName);
}

function checkPins(pins: readonly PublicKeySource[]): void {
  if (pins.length === 0) {
    throw new TypeError('pin is a fingerprint or a public key, or a list of some, not an empty list');
  }
  for (const pin of pins) {
    if (isFingerprint(pin)) parseFingerprint(pin);
    else if (typeof pin === 'string' && !pin.includes('-----BEGIN ')) throw new TypeError(notPin(pin));
    else checkServerKeySource('pin', pin);
  }
}

/** Without the text itself: it may be a secret that got into the wrong option. */
function notPin(text: string): string {
  if (text === '') return 'pin is an empty string';
  return "pin is neither a fingerprint ('sha256:' and 64 hexadecimal digits) nor a public key in PEM";
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

function isFingerprint(source: PublicKeySource): source is `sha256:${string}` {
  return typeof source === 'string' && source.startsWith('sha256:');
}

let warned = false;

function warnUnauthenticated(): void {
  if (warned) return;
  warned = true;
  const mend = "give 'key', 'keyPath', 'pin' or 'knownHosts', or say insecureAcceptAnyKey: true";
  emitWarning(
    `nothing says which key the server must have, so anybody in between could be it: ${mend}`,
    'K4NET_UNAUTHENTICATED',
  );
}
