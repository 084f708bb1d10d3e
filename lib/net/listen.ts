import { listenForWebSockets, listenOn } from '#net';
import type { EncryptedSocket, EstablishedSocket } from '../sockets/encrypted-socket.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import {
  checkOptions,
  countRule,
  flagRule,
  ownOptions,
  uncheckedRule,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import { addressTable, toAddress, type AddressOptions } from './address.js';
import type { Listener } from './listener.js';
import { Server } from './server.js';
import type { ServerParts } from './server-parts.js';
import {
  encryptedParts,
  encryptedServingTable,
  plainParts,
  servingTable,
  type EncryptedServingOptions,
  type ServingOptions,
  type UnsetEncryptedServing,
  type UnsetServing,
} from './serving.js';
import type { WebSocketSource } from './web-socket-source.js';

/** Options of {@link listen} beside those of every server. */
interface CarrierOptions extends AddressOptions {
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
}

/** Options of {@link listen} for plain sockets. */
export interface PlainListenOptions extends CarrierOptions, ServingOptions {
  /** Turns encryption off: an attacker on the network path can read and change the messages. */
  readonly plain: true;
}

/**
 * Options of {@link listen} for encrypted sockets. One of `key`, `keyPath` and `ephemeralKey` is
 * required.
 */
export interface EncryptedListenOptions extends CarrierOptions, EncryptedServingOptions {
  /**
   * The same limit for the clients of one IPv4 address or one IPv6 network (/64). Addresses of this
   * machine have no such limit. Default 16.
   */
  readonly maxHandshakesPerAddress?: number | undefined;
}

/** Options of {@link listen}. */
export type ListenOptions = PlainListenOptions | EncryptedListenOptions;

type UnsetCarrier = keyof CarrierOptions;

const carrierTable: OptionTable<CarrierOptions, UnsetCarrier> = {
  ...addressTable,
  webSocket: uncheckedRule(),
};

const plainTable: OptionTable<PlainListenOptions, UnsetCarrier | UnsetServing> = {
  ...carrierTable,
  ...servingTable,
  plain: flagRule(false),
};

const encryptedTable: OptionTable<EncryptedListenOptions, UnsetCarrier | UnsetEncryptedServing> = {
  ...carrierTable,
  ...encryptedServingTable,
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
    return opened(listenersOf(options), plainParts(options));
  }
  const options = checkOptions('listen', own, encryptedTable);
  const listeners = listenersOf(options);
  return opened(listeners, await encryptedParts('listen', options, options.maxHandshakesPerAddress));
}

async function opened<S extends LockedSocket>(
  listeners: readonly Listener[],
  parts: ServerParts<S>,
): Promise<Server<S>> {
  const server = new Server(listeners, parts);
  await server.open();
  return server;
}

/** Makes the listeners, which do not listen yet: a missing feature rejects before a key is made. */
function listenersOf(options: Checked<CarrierOptions, UnsetCarrier>): Listener[] {
  const { port, host, path, webSocket } = options;
  const listeners: Listener[] = [];
  if (webSocket === undefined || port !== undefined || host !== undefined || path !== undefined) {
    listeners.push(listenOn(toAddress('listen', options)));
  }
  if (webSocket !== undefined && webSocket !== false) listeners.push(listenForWebSockets(webSocket));
  return listeners;
}
