import type { KeyPairSource, PublicKey, PublicKeySource } from '../crypto/keys.js';
import type { CipherChoice } from '../crypto/choose-backend.js';
import type { PaddingPolicy } from '../session/record/padding.js';
import type { KnownHosts } from '../trust/known-hosts.js';
import type { LockedSocketOptions } from './locked-socket-options.js';

/** What both sides of an encrypted session may choose. */
export interface SessionChoices {
  /** Milliseconds for the whole handshake, from its beginning. Default 10000. */
  readonly handshakeTimeout?: number | undefined;
  /** Application protocols by name: a client offers them, a server takes its own first that was offered. */
  readonly appProtocols?: readonly string[] | undefined;
  /**
   * The longest record plaintext that is accepted here, 16384 to 1048576 bytes. Default: `recvSize`, but not below 65536
   * and not above 262144.
   */
  readonly recordLimit?: number | undefined;
  /** How much the lengths of records hide: `none` (the default), `padme` or `block:n`. */
  readonly padding?: PaddingPolicy | undefined;
  /**
   * Whose primitives serve the handshake and the records: `node` is Node's synchronous ones, `webcrypto` is there
   * everywhere. Default `auto`: Node's where there are such, because they are about twice as fast. The bytes on the
   * wire are the same.
   */
  readonly cipher?: CipherChoice | undefined;
}

/**
 * What a client may say about the server and about itself. An option that is present but undefined is a TypeError here,
 * `serverName` and `identifyToUnknownServer` excepted: `pin: process.env.PIN` must not become trust on first use.
 */
export interface ClientChoices {
  /**
   * The server's public key: PEM, DER or a `CryptoKey`. The client does not ask for it, which saves a round trip. A server
   * that does not have it answers with the alert `unknown-server-key`.
   */
  readonly key?: PublicKeySource;
  /**
   * Where the server's public key is, without its suffix: it is read from `<keyPath>.pk`. Where there is no such file,
   * the key that the server shows is saved there once the handshake has verified it, and pinned from then on.
   */
  readonly keyPath?: string;
  /**
   * The fingerprint (`sha256:...`) or public key that the server must have, or a list of which it must have one. A whole key
   * counts as its fingerprint: the client asks the server for its key, and another one is `K4NET_KEY_MISMATCH`.
   */
  readonly pin?: PublicKeySource | readonly PublicKeySource[];
  /** Trust on first use: `true` for the file in the user's configuration folder, a path, or a store. */
  readonly knownHosts?: boolean | string | KnownHosts;
  /** Accepts whatever key the server shows: safe from listeners only, not from somebody in between. */
  readonly insecureAcceptAnyKey?: boolean;
  /** The name that the client means, 1 to 255 printable ASCII characters. In the clear on the wire. */
  readonly serverName?: string | undefined;
  /** The client's own private key (P-256 or RSA), shown to a server that wants it and was known before. */
  readonly clientKey?: KeyPairSource;
  /** Shows the client's key to a server that was not known before, too. */
  readonly identifyToUnknownServer?: boolean | undefined;
}

/**
 * What a server may say about itself and ask of its clients. All but `keySize` are a TypeError where they
 * are present but undefined.
 */
export interface ServerChoices {
  /**
   * The server's private key: PEM, DER or a `CryptoKeyPair`. Not together with `keyPath`. Of a list,
   * the first key is shown to clients that ask for one, and clients that know any of them are accepted.
   */
  readonly key?: KeyPairSource | readonly KeyPairSource[];
  /**
   * Where the server's private key is, without its suffix: `<keyPath>.sk`. A missing file is made.
   * Of a list, which works as that of `key` does, only the first file is made: a further one that
   * is missing is a {@link FileError}.
   */
  readonly keyPath?: string | readonly string[];
  /** Bits of a key that is made: 2048, 3072 (the default) or 4096. */
  readonly keySize?: 2048 | 3072 | 4096 | undefined;
  /**
   * The names that this server has. A client that means another one is refused
   * (`K4NET_UNKNOWN_SERVER_KEY`); a client that says no name is accepted. Compared as known hosts
   * are: case does not count. Default: every name is accepted.
   */
  readonly serverNames?: readonly string[];
  /** Whether clients show a key of their own: `none` (the default) must not, `wanted` may, `required` must. */
  readonly clientAuth?: 'none' | 'wanted' | 'required';
  /**
   * Whether a client with this key is accepted; may be async. Left out, every key is. Only `true` accepts. If it throws, the
   * client is refused, and `onError` of the server gets what it threw.
   */
  readonly authorize?: (client: ClientPeer) => boolean | Promise<boolean>;
}

/** Options of {@link EncryptedSocket} as a client. */
export interface EncryptedClientOptions extends LockedSocketOptions, SessionChoices, ClientChoices {
  readonly isServer?: false | undefined;
}

/** Options of {@link EncryptedSocket} as a server. */
export interface EncryptedServerOptions extends LockedSocketOptions, SessionChoices, ServerChoices {
  readonly isServer: true;
}

/** Options of {@link EncryptedSocket}. */
export type EncryptedSocketOptions = EncryptedClientOptions | EncryptedServerOptions;

/** A client as its server's `authorize` sees it: its signature has verified. */
export interface ClientPeer {
  readonly fingerprint: string;
  readonly publicKey: PublicKey;
  /** The name of the server that the client meant, if it said one. */
  readonly serverName: string | undefined;
  readonly appProtocol: string | undefined;
}

/** Who is at the other end, once the handshake has succeeded. */
export interface Peer {
  /** Fingerprint of the peer's key; undefined for a client that showed none. */
  readonly fingerprint: string | undefined;
  /** The peer's key; undefined for a client that showed none. */
  readonly publicKey: PublicKey | undefined;
  /** Whether the key is one that was known before, or a client's that `authorize` has accepted. */
  readonly authenticated: boolean;
  /**
   * How the key came to be accepted. Of a server: it was given as `key` (or read from `keyPath`), matched a `pin`, was
   * among the `known-hosts`, was seen and remembered for the first time (`first-use`), or nobody asked (`unchecked`). Of
   * a client: it showed a `client-key`, or `none`.
   */
  readonly how: 'key' | 'pin' | 'known-hosts' | 'first-use' | 'unchecked' | 'client-key' | 'none';
  /** The server name that the client said, if it said one. */
  readonly serverName: string | undefined;
  /** The application protocol that both agreed on, if there is one. */
  readonly appProtocol: string | undefined;
}

/** Names of {@link SessionChoices}. */
export const sessionNames: readonly string[] = [
  'handshakeTimeout',
  'appProtocols',
  'recordLimit',
  'padding',
  'cipher',
];
/** Names of {@link ClientChoices}. */
export const clientNames: readonly string[] = [
  'key',
  'keyPath',
  'pin',
  'knownHosts',
  'insecureAcceptAnyKey',
  'serverName',
  'clientKey',
  'identifyToUnknownServer',
];
/** Names of {@link ServerChoices}. */
export const serverNames: readonly string[] = [
  'key',
  'keyPath',
  'keySize',
  'serverNames',
  'clientAuth',
  'authorize',
];

/** Options of a client that say whom it trusts or who it is: one that is present but undefined is an error. */
export const clientSecurityNames: readonly string[] = [
  'key',
  'keyPath',
  'pin',
  'knownHosts',
  'insecureAcceptAnyKey',
  'clientKey',
];
/** Options of a server that say who it is or whom it accepts: one that is present but undefined is an error. */
export const serverSecurityNames: readonly string[] = [
  'key',
  'keyPath',
  'serverNames',
  'clientAuth',
  'authorize',
];
