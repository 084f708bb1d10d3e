import type { Bytes } from '../../util/bytes.js';
import { KeyPair } from '../../crypto/key-pair.js';
import type { PublicKey } from '../../crypto/public-key.js';
import type { ScheduleDecryption } from './premaster.js';
import { type SessionOptions, checkSessionOptions } from '../session.js';

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
