import type { KeyPair } from '../../crypto/key-pair.js';
import type { PublicKey } from '../../crypto/public-key.js';
import { type SessionOptions, checkServerName, checkSessionOptions } from '../session.js';

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
