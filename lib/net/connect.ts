import { dialTcp } from '#net';
import { loadPlans } from '#plan';
import {
  clientTable,
  sessionTable,
  type ClientChoices,
  type SessionChoices,
  type UnsetClient,
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
  flagRule,
  millisecondsRule,
  ownOptions,
  uncheckedRule,
  withOptions,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import { AbortHub, rejected, signalRule, withDeadline, type WaitOptions } from '../util/wait.js';
import { addressTable, toAddress, type AddressOptions } from './address.js';
import { addressEndpoint, checkNoAddress, givenUrl, urlEndpoint, type Endpoint } from './endpoint.js';
import { noConnectionTo, toRetryPlan, withRetries, type RetryOptions } from './retry.js';
import { dialWebSocket } from './web-socket-dial.js';
import { checkDialOptions, type WebSocketDialOptions } from './web-socket-options.js';

/** Options of {@link connect} for plain and for encrypted sockets. */
interface CommonOptions extends AddressOptions, WaitOptions, LockedSocketOptions {
  /**
   * Milliseconds for the whole call, handshake and retries included. Default 10000; Infinity waits
   * for ever.
   */
  readonly timeout?: number | undefined;
  /**
   * Retries after a transient failure (refused, unreachable, not there yet, busy), with exponential
   * backoff and jitter. Default: three retries, after about 100, 200 and 400 ms. A wrong server key
   * is never retried.
   */
  readonly retry?: RetryOptions | boolean | undefined;
  /** For `ws:` and `wss:` URLs: the class, subprotocols, and options of the class. */
  readonly webSocket?: WebSocketDialOptions | undefined;
}

/** Options of {@link connect} for a plain socket. */
export interface PlainConnectOptions extends CommonOptions {
  /** Turns encryption off: an attacker on the network path can read and change the messages. */
  readonly plain: true;
}

/**
 * Options of {@link connect} for an encrypted socket. Without any of `key`, `keyPath`, `pin`,
 * `knownHosts` and `insecureAcceptAnyKey`, the default is `knownHosts: true` (trust on first use)
 * under the name `host:port` or `serverName`.
 */
export interface EncryptedConnectOptions extends CommonOptions, SessionChoices, ClientChoices {
  /** Default false: encrypted. */
  readonly plain?: false | undefined;
}

/** Options of {@link connect}. */
export type ConnectOptions = PlainConnectOptions | EncryptedConnectOptions;

/** A `URL` object. */
export interface UrlLike {
  readonly href: string;
}

type UnsetPlain = keyof AddressOptions | 'signal' | 'retry' | 'webSocket';
type UnsetEncrypted = UnsetPlain | UnsetClient | UnsetSession;

const plainTable: OptionTable<PlainConnectOptions, UnsetPlain> = {
  ...addressTable,
  ...lockedSocketTable,
  plain: flagRule(false),
  timeout: millisecondsRule(10_000),
  signal: signalRule,
  retry: uncheckedRule(),
  webSocket: uncheckedRule(),
};

/** The rules of all options of `connect`. */
export const connectTable: OptionTable<EncryptedConnectOptions, UnsetEncrypted> = {
  ...plainTable,
  plain: flagRule(false),
  ...clientTable,
  ...sessionTable,
};

/**
 * One attempt: dials, and makes a socket of the connection. Closes the socket if the signal aborts.
 */
type Opener<S> = (dial: () => Promise<Transport>, signal: AbortSignal) => Promise<S>;

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
    const chosen = lockedSocketOptions(options);
    return open(endpointOf(url, options), options, async (dial) => new LockedSocket(await dial(), chosen));
  }
  const options = checkOptions('connect', own, connectTable);
  const endpoint = endpointOf(url, options);
  return open(endpoint, options, encryptedOpener(options, endpoint));
}

function endpointOf(url: string | undefined, options: AddressOptions): Endpoint {
  return url === undefined ? addressEndpoint(toAddress('connect', options)) : urlEndpoint(url);
}

/** Connects with retries, within the timeout of the call. */
function open<S extends LockedSocket>(
  endpoint: Endpoint,
  options: Checked<CommonOptions, UnsetPlain>,
  opener: Opener<S>,
): Promise<S> {
  const { timeout, signal } = options;
  const { name } = endpoint;
  const plan = toRetryPlan(options.retry);
  if (signal?.aborted) return rejected(signal.reason);
  const stop = new AbortController();
  const webSocket = checkDialOptions(options.webSocket);
  if (endpoint.address && options.webSocket !== undefined) {
    throw new TypeError(`'webSocket' is for ws: and wss: URLs only, not for ${name}`);
  }
  const dialOnce = (): Promise<Transport> =>
    endpoint.address
      ? dialTcp(endpoint.address, stop.signal)
      : dialWebSocket(endpoint.url, name, webSocket, stop.signal);
  const connected = withRetries(name, plan, stop.signal, () => opener(dialOnce, stop.signal));
  const cancel = (reason: unknown): void => {
    stop.abort(reason);
  };
  return withDeadline(connected, { timeout, signal }, new AbortHub(), cancel, noConnectionTo(name));
}

function encryptedOpener(
  options: Checked<EncryptedConnectOptions, UnsetEncrypted>,
  endpoint: Endpoint,
): Opener<EncryptedSocket> {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = options;
  const noTrust = key === undefined && keyPath === undefined && pin === undefined && !insecureAcceptAnyKey;
  if (noTrust && knownHosts === false) {
    throw new TypeError(
      "knownHosts: false leaves no check of the server's key: set 'pin', 'key' or 'keyPath', " +
        'or insecureAcceptAnyKey: true to accept every key',
    );
  }
  const choices = noTrust && knownHosts === undefined ? withOptions(options, { knownHosts: true }) : options;
  const chosen = lockedSocketOptions(options);
  return async (dialOnce, signal) => {
    // An invalid option, or a feature that is missing, rejects before there is a connection.
    const { ClientPlan, checkWebCrypto } = await loadPlans();
    checkWebCrypto();
    const plan = new ClientPlan(choices, options.serverName ?? endpoint.storeName);
    const socket = new EncryptedSocket(await dialOnce(), chosen, plan);
    try {
      await socket.handshake({ signal });
      return socket;
    } catch (error) {
      // A failed handshake sends an alert and closes by itself. A reset could overtake that alert.
      if (signal.aborted) void socket.close(undefined, { timeout: 0 });
      throw error;
    }
  };
}
