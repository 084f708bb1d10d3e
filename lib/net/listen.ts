import { listenForWebSockets, listenOn } from '#net';
import { loadPlans } from '#plan';
import { K4netError } from '../errors.js';
import {
  serverTable,
  sessionTable,
  type ServerChoices,
  type SessionChoices,
  type UnsetServer,
  type UnsetSession,
} from '../sockets/encrypted-socket-options.js';
import { EncryptedSocket, type EstablishedSocket } from '../sockets/encrypted-socket.js';
import {
  lockedSocketOptions,
  lockedSocketTable,
  type LockedSocketOptions,
} from '../sockets/locked-socket-options.js';
import { LockedSocket } from '../sockets/locked-socket.js';
import type { Transport } from '../transport/transport.js';
import {
  checkOptions,
  countRule,
  flagRule,
  functionRule,
  ownOptions,
  uncheckedRule,
  withOptions,
  type Checked,
  type OrUndefined,
  type OptionTable,
} from '../util/options.js';
import { addressTable, toAddress, type AddressOptions } from './address.js';
import { HandshakeLimits, type HandshakeSlot } from './handshake-limits.js';
import type { Listener } from './listener.js';
import { Server } from './server.js';
import type { ServerParts } from './server-parts.js';
import type { WebSocketSource } from './web-socket-source.js';

/** Options of {@link listen} for plain and for encrypted sockets. */
interface CommonOptions extends AddressOptions, LockedSocketOptions {
  /**
   * Takes WebSockets, beside or in place of a port or path: an `http.Server`, an `https.Server`, a
   * `WebSocketServer` of the package `ws`, or options. The program has to install `ws`.
   *
   * `false` without a port and path makes a server that only takes what `server.accept` gives it.
   *
   * @example
   * ```ts
   * import { listen } from 'k4net';
   *
   * const server = await listen({ webSocket: { port: 9001, path: '/chat' }, keyPath: './server' });
   * console.log(`clients connect to ${server.urls.join()}`);
   * for await (const socket of server) await socket.close('hello');
   * ```
   */
  readonly webSocket?: WebSocketSource | false | undefined;
  /**
   * Connections that may wait until the program takes them. Further ones are refused. Default 511.
   * Each is read up to its `recvSize`. One that breaks, or ends without a message, no longer
   * counts.
   */
  readonly maxPending?: number | undefined;
  /**
   * Called with the errors of single connections: a handshake that failed or a handler that threw
   * (with its socket), a connection that was refused (`K4NET_BUSY`), an accept that failed.
   * Default: one process warning for each error code.
   */
  readonly onError?: ((error: unknown, socket?: LockedSocket) => void) | undefined;
}

/** Options of {@link listen} for plain sockets. */
export interface PlainListenOptions extends CommonOptions {
  /** Turns encryption off: an attacker on the network path can read and change the messages. */
  readonly plain: true;
}

/**
 * Options of {@link listen} for encrypted sockets. One of `key`, `keyPath` and `ephemeralKey` is
 * required.
 */
export interface EncryptedListenOptions extends CommonOptions, SessionChoices, ServerChoices {
  /** Default false: encrypted. */
  readonly plain?: false | undefined;
  /**
   * Makes a key that is only in memory. After a restart, clients that have stored the old key
   * refuse the server. Default false.
   */
  readonly ephemeralKey?: boolean | undefined;
  /**
   * Handshakes in progress at the same time. At this limit a new connection replaces the oldest one
   * whose client has not sent its first message yet. If there is none, the new client gets the
   * alert `busy`. Default 256.
   */
  readonly maxHandshakes?: number | undefined;
  /**
   * The same limit for the clients of one IPv4 address or one IPv6 network (/64). Addresses of this
   * machine have no such limit. Default 16.
   */
  readonly maxHandshakesPerAddress?: number | undefined;
}

/** Options of {@link listen}. */
export type ListenOptions = PlainListenOptions | EncryptedListenOptions;

type UnsetPlain = keyof AddressOptions | 'webSocket' | 'onError';
type UnsetEncrypted = UnsetPlain | UnsetServer | UnsetSession;

const plainTable: OptionTable<PlainListenOptions, UnsetPlain> = {
  ...addressTable,
  ...lockedSocketTable,
  plain: flagRule(false),
  webSocket: uncheckedRule(),
  maxPending: countRule(511, 1, Infinity),
  onError: functionRule(),
};

const encryptedTable: OptionTable<EncryptedListenOptions, UnsetEncrypted> = {
  ...plainTable,
  plain: flagRule(false),
  ...serverTable,
  ...sessionTable,
  ephemeralKey: flagRule(false),
  maxHandshakes: countRule(256, 1, Infinity),
  maxHandshakesPerAddress: countRule(16, 1, Infinity),
};

/**
 * Starts a server on a TCP port, a Unix socket, a Windows pipe or for WebSockets. Its sockets come
 * out when their handshake has succeeded.
 *
 * The stale socket file of a server that is gone is replaced, that of a running server is not.
 * While the server starts, it holds the file lock `<path>.lock`.
 *
 * Rejects with `K4NET_LISTEN` (its `cause` is the system's error), with a {@link FileError} for a
 * key file that cannot be read or made, with `K4NET_UNSUPPORTED` where the runtime has no TCP or
 * the package `ws` is missing, or with a TypeError or RangeError for invalid options.
 *
 * @example
 * ```ts
 * import { listen } from 'k4net';
 *
 * const server = await listen({ port: 9000, keyPath: './server' });
 * console.log(`fingerprint for clients to pin: ${server.fingerprint}`);
 * for await (const socket of server) await socket.close('hello');
 * ```
 */
export function listen(options: EncryptedListenOptions): Promise<Server<EstablishedSocket>>;
export function listen(options: ListenOptions): Promise<Server>;
export async function listen(
  given: ListenOptions,
): Promise<Server | Server<EncryptedSocket> | Server<EstablishedSocket>> {
  const own = ownOptions('listen', given, Object.keys(encryptedTable));
  if (own.plain === true) {
    const options = checkOptions('listen with plain: true', own, plainTable);
    const { maxPending, onError } = options;
    const chosen = lockedSocketOptions(options);
    const wrap = (transport: Transport): LockedSocket => new LockedSocket(transport, chosen);
    return opened(new Server(listenersOf(options), { maxPending, onError, wrap }));
  }
  const options = checkOptions('listen', own, encryptedTable);
  const { maxPending, onError } = options;
  const listeners = listenersOf(options);
  return opened(new Server(listeners, { maxPending, onError, ...(await encryptedParts(options)) }));
}

async function opened<S extends LockedSocket>(server: Server<S>): Promise<Server<S>> {
  await server.open();
  return server;
}

/** Makes the listeners, which do not listen yet: a missing feature rejects before a key is made. */
function listenersOf(options: Checked<CommonOptions, UnsetPlain>): Listener[] {
  const { port, host, path, webSocket } = options;
  const listeners: Listener[] = [];
  if (webSocket === undefined || port !== undefined || host !== undefined || path !== undefined) {
    listeners.push(listenOn(toAddress('listen', options)));
  }
  if (webSocket !== undefined && webSocket !== false) listeners.push(listenForWebSockets(webSocket));
  return listeners;
}

/** Loads the keys once, for all connections. */
async function encryptedParts(
  options: Checked<EncryptedListenOptions, UnsetEncrypted>,
): Promise<Pick<ServerParts<EncryptedSocket>, 'wrap' | 'handshakes' | 'fingerprints'>> {
  checkKeySource(options);
  const { ServerPlan, checkServerChoices, checkWebCrypto, serverKeys } = await loadPlans();
  checkServerChoices(options);
  checkWebCrypto();
  const limits = new HandshakeLimits(options.maxHandshakes, options.maxHandshakesPerAddress);
  const keys = await serverKeys(options);
  const choices = withOptions(options, { key: keys, keyPath: undefined });
  const chosen = lockedSocketOptions(options);
  const wrap = (transport: Transport, slot?: HandshakeSlot): EncryptedSocket =>
    new EncryptedSocket(transport, chosen, new ServerPlan(choices, slot));
  return { wrap, handshakes: { limits, run }, fingerprints: keys.map(({ fingerprint }) => fingerprint) };
}

function checkKeySource({ key, keyPath, ephemeralKey }: OrUndefined<EncryptedListenOptions>): void {
  if (ephemeralKey === true && (key !== undefined || keyPath !== undefined)) {
    throw new TypeError(
      `'ephemeralKey' and '${key === undefined ? 'keyPath' : 'key'}' exclude each other: set one of them`,
    );
  }
  if (ephemeralKey !== true && key === undefined && keyPath === undefined) {
    throw new TypeError(
      "listen needs 'key', 'keyPath' or 'ephemeralKey: true', or 'plain: true' for no encryption",
    );
  }
}

/**
 * Runs the handshake of an accepted connection. If `authorize` threw, it rejects with that error,
 * for `onError`.
 */
async function run(socket: EncryptedSocket): Promise<void> {
  try {
    await socket.handshake();
  } catch (error) {
    const thrown = K4netError.is(error, 'K4NET_CLIENT_KEY_REFUSED') && error.cause !== undefined;
    throw thrown ? error.cause : error;
  }
}
