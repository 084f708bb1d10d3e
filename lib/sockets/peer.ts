import type { PublicKey } from '../crypto/public-key.js';

/** A client whose signature is verified, as the `authorize` option gets it. */
export interface ClientPeer {
  /** Fingerprint of the client's key. */
  readonly fingerprint: string;
  /** The client's key. */
  readonly publicKey: PublicKey;
  /** The name of the server that the client asked for, if it sent one. */
  readonly serverName: string | undefined;
  /** The application protocol that both sides agreed on, if there is one. */
  readonly appProtocol: string | undefined;
}

/** The other side of an encrypted connection, after the handshake. */
export interface Peer {
  /** Fingerprint of the peer's key; undefined for a client that showed none. */
  readonly fingerprint: string | undefined;
  /** The peer's key; undefined for a client that showed none. */
  readonly publicKey: PublicKey | undefined;
  /** Whether the server's key was known before, or `authorize` accepted the client's key. */
  readonly authenticated: boolean;
  /**
   * Why the key was accepted. For a server: it is the `key` option or the key in `keyPath` (`key`),
   * matches a `pin`, is in the known-hosts store (`known-hosts`), was stored now (`first-use`), or
   * was not checked (`unchecked`). For a client: it showed a key (`client-key`), or none (`none`).
   */
  readonly how: 'key' | 'pin' | 'known-hosts' | 'first-use' | 'unchecked' | 'client-key' | 'none';
  /** The name of the server that the client asked for, if it sent one. */
  readonly serverName: string | undefined;
  /** The application protocol that both sides agreed on, if there is one. */
  readonly appProtocol: string | undefined;
}
