import { type Bytes, kindOf } from '../../util/bytes.js';
import type { EphemeralShare } from '../../crypto/backend.js';
import { chooseBackend, type CipherChoice } from '../../crypto/choose-backend.js';
import { KeyPair } from '../../crypto/key-pair.js';
import type { PublicKey } from '../../crypto/public-key.js';
import { type PaddingPolicy, createPadding } from '../record/padding.js';
import { isServerName, recordLimitBounds } from './extensions.js';
import type { DecryptQueue } from './epoch-zero.js';

/** What both sides may choose. */
export interface SessionOptions {
  /** The longest record plaintext to be sent here, 2^14 to 2^20; without it, 64 KiB and nothing is said. */
  readonly recordLimit?: number | undefined;
  /** Application protocols by name: a client offers them, a server takes its own first that was offered. */
  readonly appProtocols?: readonly string[] | undefined;
  readonly padding?: PaddingPolicy | undefined;
  readonly cipher?: CipherChoice | undefined;
}

/** Refuses options that could not be said on the wire. */
export function checkSessionOptions({ recordLimit, appProtocols, padding, cipher }: SessionOptions): void {
  chooseBackend(cipher);
  const { minimum, maximum } = recordLimitBounds;
  if (
    recordLimit !== undefined &&
    !(Number.isInteger(recordLimit) && recordLimit >= minimum && recordLimit <= maximum)
  ) {
    throw new RangeError(`recordLimit is a whole number from ${minimum} to ${maximum}, not ${recordLimit}`);
  }
  checkAppProtocols(appProtocols ?? []);
  createPadding(padding);
}

function checkAppProtocols(names: unknown): void {
  if (!Array.isArray(names)) {
    throw new TypeError(`appProtocols is a list of strings, not ${kindOf(names)}`);
  }
  let total = 0;
  for (const name of names as readonly unknown[]) {
    if (typeof name !== 'string') {
      throw new TypeError(`appProtocols is a list of strings, not of ${kindOf(name)}`);
    }
    const { length } = new TextEncoder().encode(name);
    if (length < 1 || length > 255) {
      throw new TypeError(`an application protocol is a text of 1 to 255 bytes, not '${name}'`);
    }
    total += length + 1;
  }
  if (total > 1024)
    throw new RangeError('the names of the application protocols are over 1024 bytes together');
}

/** Refuses a server name that could not be said on the wire. */
export function checkServerName(name: unknown): void {
  if (name === undefined) return;
  if (typeof name !== 'string') throw new TypeError(`serverName is a string, not ${kindOf(name)}`);
  if (!isServerName(name)) {
    throw new TypeError(`serverName is 1 to 255 printable ASCII characters, not '${name}'`);
  }
}

/** What a client knows of the server, and says of itself. */
export interface ClientHandshakeOptions extends SessionOptions {
  /** The server's key, if the client has it: the handshake is a round trip shorter then. */
  readonly serverKey?: PublicKey | undefined;
  /** Fingerprints of which the server's key must have one. */
  readonly pin?: string | readonly string[] | undefined;
  /**
   * Asked about the key that the server offers, where there is neither `serverKey` nor `pin`. Says whether it was
   * known before (`known`) or may be used for the first time (`new`), or throws, as a rule a {@link KeyMismatchError}.
   */
  readonly decideServerKey?: ((offered: PublicKey) => 'known' | 'new' | Promise<'known' | 'new'>) | undefined;
  /** The client's own key, shown to a server that wants it and was known before. */
  readonly identity?: KeyPair | undefined;
  /** Show it to a server that was not known before, too. */
  readonly identifyToUnknownServer?: boolean | undefined;
  /** The name that the client means, in the clear on the wire. */
  readonly serverName?: string | undefined;
}

/** Refuses options that no handshake could keep. */
export function checkClientOptions(options: ClientHandshakeOptions): void {
  checkSessionOptions(options);
  checkServerName(options.serverName);
  const { serverKey, identity, pin } = options;
  // An empty list would be no pin at all, which is never what a caller who gives one means.
  if (pin?.length === 0) throw new TypeError('pin is a fingerprint or a list of some, not empty');
  if (serverKey && serverKey.type !== 'rsa') throw new TypeError("a server's key is an RSA key");
  if (identity && !identity.canSign) throw new TypeError('the key of a client must be able to sign');
}

/** What is known of a client when its key is to be accepted or refused. */
export interface ClientClaim {
  readonly clientKey: PublicKey;
  readonly serverKey: PublicKey;
  readonly serverName: string | undefined;
  readonly appProtocol: string | undefined;
}

/**
 * Chooses a server's key by the name that the client meant. The identifier is SHA-256 of the key that a ClientHello was
 * made for; a KeyRequest has none. No key is the error `K4NET_UNKNOWN_SERVER_KEY`.
 */
export type ServerKeyChoice = (
  serverName: string | undefined,
  keyId: Bytes | undefined,
) => KeyPair | undefined | Promise<KeyPair | undefined>;

/** What a server is, and asks of a client. */
export interface ServerHandshakeOptions extends SessionOptions {
  readonly key: KeyPair | ServerKeyChoice;
  /** Whether clients show a key: `none` must not, `wanted` may, `required` must. */
  readonly clientAuth?: 'none' | 'wanted' | 'required' | undefined;
  /** Whether a client's key is good here; asked after its signature has verified. Without it, every key is. */
  readonly authorize?: ((claim: ClientClaim) => boolean | Promise<boolean>) | undefined;
  /** Runs an RSA decryption, in its turn; may reject with `K4NET_BUSY`. */
  readonly decryptQueue?: DecryptQueue | undefined;
  /** Called when the first unit of the client is complete. */
  readonly onHello?: (() => void) | undefined;
}

/** The flags of ServerFinished. */
export const flagsOf: Readonly<Record<'none' | 'wanted' | 'required', number>> = {
  none: 0,
  wanted: 1,
  required: 2,
};

/** Refuses options that no handshake could keep. */
export function checkServerOptions(options: ServerHandshakeOptions): void {
  checkSessionOptions(options);
  const { key, clientAuth = 'none' } = options;
  if (key instanceof KeyPair) checkServerKey(key);
  if (!Object.hasOwn(flagsOf, clientAuth)) {
    throw new TypeError(`clientAuth is 'none', 'wanted' or 'required', not '${clientAuth}'`);
  }
}

export function checkServerKey(key: KeyPair): void {
  if (!key.canDecrypt) throw new TypeError("a server's key is an RSA key that can decrypt");
}

/** Extensions that only tests send, by the type of the message. */
export type FurtherExtensions = Readonly<
  Record<number, readonly { readonly id: number; readonly data: Bytes }[]>
>;

/** What a test gives a client in the place of its random choices. @internal */
export interface ClientInjection {
  readonly random?: Bytes;
  readonly premaster?: Bytes;
  readonly ciphertext?: Bytes;
  readonly ephemeral?: EphemeralShare;
  readonly signature?: Bytes;
  readonly extensions?: FurtherExtensions;
}

/** What a test gives a server in the place of its random choices. @internal */
export interface ServerInjection {
  readonly random?: Bytes;
  readonly rejectPremaster?: Bytes;
  readonly ephemeral?: EphemeralShare;
  readonly extensions?: FurtherExtensions;
}
