import {
  checkServerKeySource,
  importPublicKey,
  parseFingerprint,
  type PublicKey,
  type PublicKeySource,
} from '../crypto/public-key.js';
import { K4netError, toK4netError } from '../errors.js';
import { kindOf } from '../util/bytes.js';
import { withOptions, type OrUndefined } from '../util/options.js';
import { WarnOnce } from '../util/warn-once.js';
import { defaultKnownHosts, fileKnownHosts, keyFile, loadClientPin, saveClientPin } from '#files';
import { checkKnownHost, checkState, hostName, type KnownHost, type KnownHosts } from './known-hosts.js';

/**
 * Options that say which server a client accepts. At most one may be given; without any, the client
 * accepts every server and warns. An option that is present but undefined is a TypeError: `pin:
 * process.env.PIN` must not become trust on first use.
 */
export interface ServerTrustOptions {
  /**
   * The server's public key: PEM, DER or a `CryptoKey`. The client does not ask for it, which saves
   * a round trip. A server that does not have it answers with the alert `unknown-server-key`.
   */
  readonly key?: PublicKeySource;
  /**
   * Path of the server's public key without its suffix: the file is `<keyPath>.pk`. If there is no
   * such file, the client accepts the key that the server shows (trust on first use), saves it
   * there once the handshake has verified it, and pins it from then on.
   */
  readonly keyPath?: string;
  /**
   * The fingerprint (`sha256:...`) or public key that the server must have, or a list of which it
   * must have one. A public key counts as its fingerprint: the client asks the server for its key,
   * and another one is `K4NET_KEY_MISMATCH`.
   */
  readonly pin?: PublicKeySource | readonly PublicKeySource[];
  /**
   * Trust on first use: `true` for the file in the user's configuration folder (in a browser:
   * IndexedDB), a path, or a store.
   */
  readonly knownHosts?: boolean | string | KnownHosts;
  /**
   * Accepts every key that the server shows. Protects against a passive attacker, not against a man
   * in the middle. Default false.
   */
  readonly insecureAcceptAnyKey?: boolean;
}

/** Which server key a client accepts, and why. */
export interface TrustDecision {
  /** Why the key is accepted, as `Peer.how` says it. */
  readonly how: 'key' | 'pin' | 'known-hosts' | 'first-use' | 'unchecked';
  /** The key itself. Without it, the client asks the server for its key. */
  readonly serverKey?: PublicKey;
  /**
   * Fingerprints of which the key must have one. Without them and without `serverKey`, every key is
   * accepted.
   */
  readonly pin?: string | readonly string[];
  /** Runs when the handshake has verified the key. A rejection fails the session. */
  readonly verified?: (key: PublicKey) => Promise<void>;
}

/**
 * Decides which server a client accepts.
 *
 * Trust on first use is decided here: a server without a `.pk` file or without an entry in the
 * known-hosts store may show any key, and that key is pinned once the handshake has verified it.
 *
 * @param storeName - name of the server in a known-hosts store.
 * @throws K4netError for a file or a store that fails, and for a revoked key.
 */
export async function decideTrust(
  options: OrUndefined<ServerTrustOptions>,
  storeName: string | undefined,
): Promise<TrustDecision> {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = options;
  if (key !== undefined) return decision({ how: 'key', serverKey: await importPublicKey(key) });
  if (keyPath !== undefined) return trustKeyFile(keyPath);
  if (pin !== undefined) return trustPins(pinList(pin));
  if (knownHosts !== undefined && knownHosts !== false && storeName !== undefined) {
    return trustKnownHosts(openStore(knownHosts), hostName(storeName));
  }
  if (insecureAcceptAnyKey !== true) warnUnauthenticated();
  return decision({ how: 'unchecked' });
}

/** Removes inherited properties: a polluted `Object.prototype` must not pin a key. */
function decision(made: TrustDecision): TrustDecision {
  return withOptions(made);
}

async function trustKeyFile(keyPath: string): Promise<TrustDecision> {
  const pinned = await loadClientPin(keyPath);
  // The client asks for the key although it has it: so it can tell a changed key from a server that
  // is not there.
  if (pinned) return decision({ how: 'key', pin: pinned.fingerprint });
  return decision({ how: 'first-use', verified: (key) => saveClientPin(keyPath, key) });
}

async function trustPins(pins: readonly PublicKeySource[]): Promise<TrustDecision> {
  const fingerprints = pins.map(async (pin) =>
    isFingerprint(pin) ? pin : (await importPublicKey(pin)).fingerprint,
  );
  return decision({ how: 'pin', pin: await Promise.all(fingerprints) });
}

async function trustKnownHosts(store: KnownHosts, name: string): Promise<TrustDecision> {
  const known = await fromStore(() => store.get(name));
  if (known) {
    checkKnownHost(known);
    return decision({
      how: 'known-hosts',
      pin: known.fingerprint,
      verified: ({ fingerprint }) => {
        // An old date in the store must neither fail nor delay a connection.
        const touched = Promise.resolve().then(() => store.touch?.(name, fingerprint));
        touched.catch(() => undefined);
        return Promise.resolve();
      },
    });
  }
  return decision({
    how: 'first-use',
    verified: async ({ fingerprint }) => {
      const stored = await fromStore(() => store.addIfAbsent(name, fingerprint));
      if (!stored)
        throw new K4netError('K4NET_STORE', 'the known-hosts store has no key after addIfAbsent stored one');
      // Another process may have stored another key in the meantime.
      checkKnownHost(stored, fingerprint);
    },
  });
}

/** Calls a store and checks its answer: the store may be the program's own. */
async function fromStore(call: () => Promise<KnownHost | null | undefined>): Promise<KnownHost | undefined> {
  try {
    const known = await call();
    if (known === undefined || known === null) return undefined;
    parseFingerprint(known.fingerprint);
    checkState(known.state);
    return known;
  } catch (error) {
    throw toK4netError(error, 'K4NET_STORE', 'the known-hosts store failed');
  }
}

/**
 * Checks the trust options of a client without I/O.
 *
 * @param storeName - name of the server in a known-hosts store.
 * @throws TypeError for an invalid option, and for options that exclude each other.
 */
export function checkServerTrust(
  options: OrUndefined<ServerTrustOptions>,
  storeName: string | undefined,
): void {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = options;
  const known = knownHosts === false ? undefined : knownHosts;
  const insecure = insecureAcceptAnyKey === true ? true : undefined;
  const given = Object.entries({ key, keyPath, pin, knownHosts: known, insecureAcceptAnyKey: insecure })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `'${name}'`);
  if (given.length > 1) throw new TypeError(`${given.join(' and ')} exclude each other: set one of them`);
  if (key !== undefined) checkServerKeySource('key', key);
  if (keyPath !== undefined) keyFile(keyPath, '.pk');
  if (pin !== undefined) checkPins(pinList(pin));
  if (known === undefined) return;
  if (storeName === undefined) throw new TypeError("'knownHosts' needs a 'serverName' to look up");
  checkStore(known);
  hostName(storeName);
}

function checkPins(pins: readonly PublicKeySource[]): void {
  if (pins.length === 0) {
    throw new TypeError('pin must be a fingerprint or a public key, or a list of some, not an empty list');
  }
  for (const pin of pins) {
    if (isFingerprint(pin)) parseFingerprint(pin);
    else if (typeof pin === 'string' && !pin.includes('-----BEGIN ')) throw invalidPin(pin);
    else checkServerKeySource('pin', pin);
  }
}

/** The message does not quote the text, which may be a secret in the wrong option. */
function invalidPin(text: string): TypeError {
  if (text === '') return new TypeError('pin must not be an empty string');
  return new TypeError(
    "pin is neither a fingerprint ('sha256:' and 64 hexadecimal digits) nor a public key in PEM",
  );
}

function checkStore(store: unknown): void {
  if (store === true) return;
  if (typeof store === 'string' && store !== '') {
    // A runtime without files must say so before a connection is opened.
    fileKnownHosts(store);
    return;
  }
  const { get, addIfAbsent } = (
    typeof store === 'object' && store !== null ? store : {}
  ) as Partial<KnownHosts>;
  if (typeof get === 'function' && typeof addIfAbsent === 'function') return;
  throw new TypeError(`knownHosts must be true, a path or a store, not ${kindOf(store)}`);
}

function openStore(store: true | string | KnownHosts): KnownHosts {
  if (store === true) return defaultKnownHosts();
  return typeof store === 'string' ? fileKnownHosts(store) : store;
}

function pinList(pin: PublicKeySource | readonly PublicKeySource[]): readonly PublicKeySource[] {
  return Array.isArray(pin) ? (pin as readonly PublicKeySource[]) : [pin as PublicKeySource];
}

function isFingerprint(source: PublicKeySource): source is `sha256:${string}` {
  return typeof source === 'string' && source.startsWith('sha256:');
}

const warnings = new WarnOnce();

function warnUnauthenticated(): void {
  const text =
    'the client accepts every server key, so an attacker on the network can pose as the server: ' +
    "set 'key', 'keyPath', 'pin' or 'knownHosts', or insecureAcceptAnyKey: true if that is intended";
  warnings.warn('', text, 'K4NET_UNAUTHENTICATED');
}
