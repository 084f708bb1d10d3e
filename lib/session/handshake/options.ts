import { type Bytes, kindOf } from '../../util/bytes.js';
import type { EphemeralShare } from '../../crypto/backend.js';
import { chooseBackend, type CipherChoice } from '../../crypto/choose-backend.js';
import { KeyPair } from '../../crypto/key-pair.js';
import type { PublicKey } from '../../crypto/public-key.js';
import { type PaddingPolicy, createPadding } from '../record/padding.js';
import { isServerName, recordLimitBounds } from './extensions.js';
import type { ScheduleDecryption } from './epoch-zero.js';

/** Options of both sides. */
export interface SessionOptions {
  /**
   * The longest record plaintext that this side accepts, 2^14 to 2^20 bytes. Default: 64 KiB; this
   * side then sends no `record_limit` extension.
   */
  readonly recordLimit?: number | undefined;
  /**
   * Names of application protocols. A server chooses the first of its own list that the client
   * offers.
   */
  readonly appProtocols?: readonly string[] | undefined;
  readonly padding?: PaddingPolicy | undefined;
  readonly cipher?: CipherChoice | undefined;
}

/** @throws TypeError or RangeError for options that cannot be encoded on the wire. */
export function checkSessionOptions({ recordLimit, appProtocols, padding, cipher }: SessionOptions): void {
  chooseBackend(cipher);
  const { minimum, maximum } = recordLimitBounds;
  if (
    recordLimit !== undefined &&
    !(Number.isInteger(recordLimit) && recordLimit >= minimum && recordLimit <= maximum)
  ) {
    throw new RangeError(
      `recordLimit must be a whole number from ${minimum} to ${maximum}, not ${recordLimit}`,
    );
  }
  checkAppProtocols(appProtocols ?? []);
  createPadding(padding);
}

function checkAppProtocols(names: unknown): void {
  if (!Array.isArray(names)) {
    throw new TypeError(`appProtocols must be a list of strings, not ${kindOf(names)}`);
  }
  let total = 0;
  for (const name of names as readonly unknown[]) {
    if (typeof name !== 'string') {
      throw new TypeError(`appProtocols must be a list of strings, not of ${kindOf(name)}`);
    }
    const { length } = new TextEncoder().encode(name);
    if (length < 1 || length > 255) {
      throw new TypeError(`an application protocol must be a text of 1 to 255 bytes, not '${name}'`);
    }
    total += length + 1;
  }
  if (total > 1024)
    throw new RangeError(
      `appProtocols of ${total} bytes, each name with one byte of length, exceeds the limit of 1024 bytes`,
    );
}

/** @throws TypeError for a server name that cannot be encoded on the wire. */
export function checkServerName(name: unknown): void {
  if (name === undefined) return;
  if (typeof name !== 'string') throw new TypeError(`serverName must be a string, not ${kindOf(name)}`);
  if (!isServerName(name)) {
    throw new TypeError(`serverName must be 1 to 255 printable ASCII characters, not '${name}'`);
  }
}

/** Options of a client. */
export interface ClientHandshakeOptions extends SessionOptions {
  /** The server's key. It saves the handshake one round trip. */
  readonly serverKey?: PublicKey | undefined;
  /** The server's key must have one of these fingerprints. */
  readonly pin?: string | readonly string[] | undefined;
  /**
   * The client's own key. The client shows it only to a server that requests a client key and whose
   * own key is known by `serverKey` or `pin`.
   */
  readonly identity?: KeyPair | undefined;
  /** Also shows that key to a server that was not known before. Default false. */
  readonly identifyToUnknownServer?: boolean | undefined;
  /** The name of the server, 1 to 255 printable ASCII characters. Sent in the clear. */
  readonly serverName?: string | undefined;
}

/** @throws TypeError or RangeError for options that no handshake can satisfy. */
export function checkClientOptions(options: ClientHandshakeOptions): void {
  checkSessionOptions(options);
  checkServerName(options.serverName);
  const { serverKey, identity, pin } = options;
  // An empty list would accept every key.
  if (pin?.length === 0)
    throw new TypeError('pin must be a fingerprint or a list of fingerprints, but it is empty');
  if (serverKey && serverKey.type !== 'rsa') throw new TypeError('the key of a server must be an RSA key');
  if (identity && !identity.canSign) throw new TypeError('the key of a client must be able to sign');
}

/** The facts by which a client's key is accepted or refused. */
export interface ClientClaim {
  readonly clientKey: PublicKey;
  readonly serverKey: PublicKey;
  readonly serverName: string | undefined;
  readonly appProtocol: string | undefined;
}

/**
 * Chooses a server's key by the server name. The key id is the SHA-256 of the key that a
 * ClientHello was made for; a KeyRequest has none. If the result is undefined, the handshake fails
 * with `K4NET_UNKNOWN_SERVER_KEY`.
 */
export type ServerKeyChoice = (
  serverName: string | undefined,
  keyId: Bytes | undefined,
) => KeyPair | undefined | Promise<KeyPair | undefined>;

/** Options of a server. */
export interface ServerHandshakeOptions extends SessionOptions {
  readonly key: KeyPair | ServerKeyChoice;
  /** Whether clients show a key: `none` must not, `wanted` may, `required` must. */
  readonly clientAuth?: 'none' | 'wanted' | 'required' | undefined;
  /**
   * Accepts or refuses a client's key, once its signature has verified. Default: accepts every key.
   */
  readonly authorize?: ((claim: ClientClaim) => boolean | Promise<boolean>) | undefined;
  /** Queues and runs an RSA decryption. May reject with `K4NET_BUSY`. */
  readonly scheduleDecryption?: ScheduleDecryption | undefined;
  /** Called when the first unit of the client is complete. */
  readonly onHello?: (() => void) | undefined;
}

/** The flags of ServerFinished. */
export const flagsOf: Readonly<Record<'none' | 'wanted' | 'required', number>> = {
  none: 0,
  wanted: 1,
  required: 2,
};

/** @throws TypeError or RangeError for options that no handshake can satisfy. */
export function checkServerOptions(options: ServerHandshakeOptions): void {
  checkSessionOptions(options);
  const { key, clientAuth = 'none' } = options;
  if (key instanceof KeyPair) checkServerKey(key);
  if (!Object.hasOwn(flagsOf, clientAuth)) {
    throw new TypeError(`clientAuth must be 'none', 'wanted' or 'required', not '${clientAuth}'`);
  }
}

export function checkServerKey(key: KeyPair): void {
  if (!key.canDecrypt) throw new TypeError('the key of a server must be an RSA key that can decrypt');
}

/** Extensions that only tests send, by message type. */
export type FurtherExtensions = Readonly<
  Record<number, readonly { readonly id: number; readonly data: Bytes }[]>
>;

/** Values that a test gives a client in place of random ones. @internal */
export interface ClientInjection {
  readonly random?: Bytes;
  readonly premaster?: Bytes;
  readonly ciphertext?: Bytes;
  readonly ephemeral?: EphemeralShare;
  readonly signature?: Bytes;
  readonly extensions?: FurtherExtensions;
}

/** Values that a test gives a server in place of random ones. @internal */
export interface ServerInjection {
  readonly random?: Bytes;
  readonly rejectPremaster?: Bytes;
  readonly ephemeral?: EphemeralShare;
  readonly extensions?: FurtherExtensions;
}
