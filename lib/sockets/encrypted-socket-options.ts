import type { KeyPairSource } from '../crypto/key-pair.js';
import type { CipherChoice } from '../crypto/choose-backend.js';
import type { PaddingPolicy } from '../session/record/padding.js';
import type { ServerKeyOptions } from '../trust/server-keys.js';
import type { ServerTrustOptions } from '../trust/server-trust.js';
import {
  choiceRule,
  flagRule,
  functionRule,
  millisecondsRule,
  oneOfRule,
  security,
  uncheckedRule,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import type { LockedSocketOptions } from './locked-socket-options.js';
import type { ClientPeer } from './peer.js';

/** Options of both sides of an encrypted session. */
export interface SessionChoices {
  /** Milliseconds for the whole handshake, from its start. Default 10000. */
  readonly handshakeTimeout?: number | undefined;
  /**
   * Names of application protocols. A client offers them. A server chooses the first of its own
   * list that the client offers.
   */
  readonly appProtocols?: readonly string[] | undefined;
  /**
   * The longest record plaintext that this side accepts, 16384 to 1048576 bytes. Default:
   * `recvSize`, but at least 65536 and at most 262144.
   */
  readonly recordLimit?: number | undefined;
  /** Padding that hides the lengths of messages: `none` (the default), `padme` or `block:n`. */
  readonly padding?: PaddingPolicy | undefined;
  /**
   * The implementation of the cipher: `node` is node:crypto, which is synchronous; `webcrypto` is
   * WebCrypto, which every runtime has. Default `auto`: the faster one, which is node:crypto in
   * Node and Bun and WebCrypto in Deno. The bytes on the wire are the same.
   */
  readonly cipher?: CipherChoice | undefined;
}

/**
 * Options of a client: the servers that it accepts, and the key that it shows. An option that is
 * present but undefined is a TypeError, except `serverName` and `identifyToUnknownServer`.
 */
export interface ClientChoices extends ServerTrustOptions {
  /**
   * The name of the server that the client asks for, 1 to 255 printable ASCII characters. It is
   * sent in the clear.
   */
  readonly serverName?: string | undefined;
  /**
   * The client's own private key (P-256 or RSA). The client shows its public key only to a server
   * that requests it and whose own key the client knew before the handshake.
   */
  readonly clientKey?: KeyPairSource;
  /** Shows the client's key also to a server that was not known before. Default false. */
  readonly identifyToUnknownServer?: boolean | undefined;
}

/**
 * Options of a server: its keys and names, and the clients that it accepts. An option that is
 * present but undefined is a TypeError, except `keySize`.
 */
export interface ServerChoices extends ServerKeyOptions {
  /**
   * Whether clients show a key of their own: `none` (the default) must not, `wanted` may,
   * `required` must.
   */
  readonly clientAuth?: 'none' | 'wanted' | 'required';
  /**
   * Decides whether a client with this key is accepted; may be async. Only the result `true`
   * accepts. If it throws, the client is refused, and `onError` of the server gets the error.
   * Default: every key is accepted.
   */
  readonly authorize?: (client: ClientPeer) => boolean | Promise<boolean>;
}

/** Options of {@link EncryptedSocket} as a client. */
export interface EncryptedClientOptions extends LockedSocketOptions, SessionChoices, ClientChoices {
  /** The role. Default false: a client. */
  readonly isServer?: false | undefined;
}

/** Options of {@link EncryptedSocket} as a server. */
export interface EncryptedServerOptions extends LockedSocketOptions, SessionChoices, ServerChoices {
  /** The role: a server. */
  readonly isServer: true;
}

/** Options of {@link EncryptedSocket}. */
export type EncryptedSocketOptions = EncryptedClientOptions | EncryptedServerOptions;

const defaultHandshakeTimeout = 10_000;

/** Options of the session without a default in the table. */
export type UnsetSession = 'appProtocols' | 'recordLimit' | 'padding' | 'cipher';
/** Options of a client without a default. */
export type UnsetClient = Exclude<keyof ClientChoices, 'insecureAcceptAnyKey' | 'identifyToUnknownServer'>;
/** Options of a server without a default. */
export type UnsetServer = Exclude<keyof ServerChoices, 'clientAuth'>;

/** {@link SessionChoices}, checked. */
export type CheckedSession = Checked<SessionChoices, UnsetSession>;
/** {@link ClientChoices}, checked. */
export type CheckedClient = Checked<ClientChoices, UnsetClient>;
/** {@link ServerChoices}, checked. */
export type CheckedServer = Checked<ServerChoices, UnsetServer>;

/** The options of both sides. The handshake checks the unchecked ones. */
export const sessionTable: OptionTable<SessionChoices, UnsetSession> = {
  handshakeTimeout: millisecondsRule(defaultHandshakeTimeout),
  appProtocols: uncheckedRule(),
  recordLimit: uncheckedRule(),
  padding: uncheckedRule(),
  cipher: uncheckedRule(),
};

/** The options of a client. `checkServerTrust` and the handshake check the unchecked ones. */
export const clientTable: OptionTable<ClientChoices, UnsetClient> = {
  key: security(uncheckedRule()),
  keyPath: security(uncheckedRule()),
  pin: security(uncheckedRule()),
  knownHosts: security(uncheckedRule()),
  insecureAcceptAnyKey: security(flagRule(false)),
  serverName: uncheckedRule(),
  clientKey: security(uncheckedRule()),
  identifyToUnknownServer: flagRule(false),
};

/** The options of a server. `checkServerKeys` checks the unchecked ones. */
export const serverTable: OptionTable<ServerChoices, UnsetServer> = {
  key: security(uncheckedRule()),
  keyPath: security(uncheckedRule()),
  keySize: oneOfRule([2048, 3072, 4096]),
  serverNames: security(uncheckedRule()),
  clientAuth: security(choiceRule(['none', 'wanted', 'required'])),
  authorize: security(functionRule()),
};
