import { dialTcp } from '#net';
import type { EstablishedSocket } from '../sockets/encrypted-socket.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import {
  checkOptions,
  flagRule,
  ownOptions,
  uncheckedRule,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import { addressTable, toAddress, type AddressOptions } from './address.js';
import {
  dialingTable,
  encryptedDialingTable,
  encryptedOpener,
  openWithRetries,
  plainOpener,
  type Dial,
  type DialingOptions,
  type EncryptedDialingOptions,
  type UnsetDialing,
  type UnsetEncryptedDialing,
} from './dialing.js';
import { addressEndpoint, checkNoAddress, givenUrl, urlEndpoint, type Endpoint } from './endpoint.js';
import { dialWebSocket } from './web-socket-dial.js';
import { checkDialOptions, type WebSocketDialOptions } from './web-socket-options.js';

/** Options of {@link connect} beside those of every client. */
interface CarrierOptions extends AddressOptions {
  /** For `ws:` and `wss:` URLs: the class, subprotocols, and options of the class. */
  readonly webSocket?: WebSocketDialOptions | undefined;
}

/** Options of {@link connect} for a plain socket. */
export interface PlainConnectOptions extends CarrierOptions, DialingOptions {
  /** Turns encryption off: an attacker on the network path can read and change the messages. */
  readonly plain: true;
}

/**
 * Options of {@link connect} for an encrypted socket. Without any of `key`, `keyPath`, `pin`,
 * `knownHosts` and `insecureAcceptAnyKey`, the default is `knownHosts: true` (trust on first use)
 * under the name `host:port` or `serverName`.
 */
export interface EncryptedConnectOptions extends CarrierOptions, EncryptedDialingOptions {}

/** Options of {@link connect}. */
export type ConnectOptions = PlainConnectOptions | EncryptedConnectOptions;

/** A `URL` object. */
export interface UrlLike {
  readonly href: string;
}

type UnsetCarrier = keyof CarrierOptions;

const carrierTable: OptionTable<CarrierOptions, UnsetCarrier> = {
  ...addressTable,
  webSocket: uncheckedRule(),
};

const plainTable: OptionTable<PlainConnectOptions, UnsetCarrier | UnsetDialing> = {
  ...carrierTable,
  ...dialingTable,
  plain: flagRule(false),
};

/** The rules of all options of `connect`. */
export const connectTable: OptionTable<EncryptedConnectOptions, UnsetCarrier | UnsetEncryptedDialing> = {
  ...carrierTable,
  ...encryptedDialingTable,
};

/**
 * Connects to a server over TCP, a Unix socket or a Windows pipe, and resolves when the handshake
 * has succeeded.
 *
 * Rejects with `K4NET_CONNECT` (its `cause` is the system's error), with the error of the handshake
 * (`docs/errors.md`, "The handshake"), with a `TimeoutError` (its `cause` is the error of the last
 * attempt), with the reason of the signal, with `K4NET_UNSUPPORTED` where the runtime has no TCP,
 * or with a TypeError or RangeError for invalid options.
 *
 * @example
 * ```ts
 * import { connect } from 'k4net';
 *
 * const socket = await connect({ host: 'example.com', port: 9000, timeout: 5_000 });
 * console.log(`connected to ${socket.peer.fingerprint}, ${socket.peer.how}`);
 * await socket.send('hello');
 * for await (const message of socket) console.log(new TextDecoder().decode(message));
 * ```
 */
export function connect(options: EncryptedConnectOptions): Promise<EstablishedSocket>;
export function connect(options: ConnectOptions): Promise<LockedSocket>;
/**
 * Connects to the server of a URL: `tcp://host:port`, `unix:/path`, `ws://host/path` or
 * `wss://host/path`. In a page, a URL such as `/chat` is a WebSocket of the host of the page.
 *
 * A URL that is none of these, or has a user name, a password or a fragment, is a TypeError. So is
 * one beside `port`, `host` or `path`.
 *
 * @example
 * ```ts
 * import { connect } from 'k4net';
 *
 * const socket = await connect('tcp://example.com:9000', { timeout: 5_000 });
 * await socket.close('hello');
 * ```
 */
export function connect(url: string | UrlLike, options?: EncryptedConnectOptions): Promise<EstablishedSocket>;
export function connect(url: string | UrlLike, options: ConnectOptions): Promise<LockedSocket>;
export async function connect(
  given: ConnectOptions | UrlLike | string,
  beside?: ConnectOptions,
): Promise<LockedSocket> {
  const url = givenUrl(given);
  const all = url === undefined ? (given as ConnectOptions) : beside;
  const own = ownOptions('connect', all, Object.keys(connectTable));
  if (url !== undefined) checkNoAddress(url, own as Readonly<Record<string, unknown>>);
  if (own.plain === true) {
    const options = checkOptions('connect with plain: true', own, plainTable);
    const endpoint = endpointOf(url, options);
    return openWithRetries(endpoint.name, options, dialOf(endpoint, options), plainOpener(options));
  }
  const options = checkOptions('connect', own, connectTable);
  const endpoint = endpointOf(url, options);
  const opener = encryptedOpener(options, endpoint.storeName);
  return openWithRetries(endpoint.name, options, dialOf(endpoint, options), opener);
}

function endpointOf(url: string | undefined, options: AddressOptions): Endpoint {
  return url === undefined ? addressEndpoint(toAddress('connect', options)) : urlEndpoint(url);
}

/** @throws TypeError for options of a WebSocket where there is none. */
function dialOf({ address, url, name }: Endpoint, options: Checked<CarrierOptions, UnsetCarrier>): Dial {
  const webSocket = checkDialOptions(options.webSocket);
  if (!address) return (signal) => dialWebSocket(url, name, webSocket, signal);
  if (options.webSocket !== undefined) {
    throw new TypeError(`'webSocket' is for ws: and wss: URLs only, not for ${name}`);
  }
  return (signal) => dialTcp(address, signal);
}
