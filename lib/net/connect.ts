import type { NodeSocket } from '../platform/runtime.js';
import {
  clientNames,
  clientSecurityNames,
  sessionNames,
  type ClientChoices,
  type SessionChoices,
} from '../sockets/encrypted-socket-options.js';
import { EncryptedSocket, type EstablishedSocket } from '../sockets/encrypted-socket.js';
import {
  checkedOptions,
  lockedSocketNames,
  lockedSocketOptions,
  type LockedSocketOptions,
} from '../sockets/locked-socket-options.js';
import { LockedSocket } from '../sockets/locked-socket.js';
import { ClientPlan } from '../sockets/session-plan.js';
import { flag, milliseconds, ownOptions, refuseUndefined, withOptions } from '../util/options.js';
import { AbortHub, checkSignal, rejected, withDeadline, type WaitOptions } from '../util/wait.js';
import {
  addressNames,
  describeAddress,
  storeName,
  toAddress,
  type Address,
  type AddressOptions,
} from './address.js';
import { dial } from './node-net.js';
import { noConnectionTo, toRetryPlan, withRetries, type RetryOptions } from './retry.js';

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
}

/** Options of {@link connect} for a plain socket. */
export interface PlainConnectOptions extends CommonOptions {
  /** Turns encryption off: anybody on the network path can read and change the messages. */
  readonly plain: true;
}

/**
 * Options of {@link connect} for an encrypted socket. Without any of `key`, `keyPath`, `pin`,
 * `knownHosts` and `insecureAcceptAnyKey`, the default is `knownHosts: true` (trust on first use)
 * under the name `host:port` or `serverName`.
 */
export interface EncryptedConnectOptions extends CommonOptions, SessionChoices, ClientChoices {
  readonly plain?: false | undefined;
}

/** Options of {@link connect}. */
export type ConnectOptions = PlainConnectOptions | EncryptedConnectOptions;

const plainNames = [...addressNames, ...lockedSocketNames, 'plain', 'timeout', 'signal', 'retry'];
const encryptedNames = [...clientNames, ...sessionNames];
const defaultTimeout = 10_000;

/**
 * Prepares one attempt. The function that it returns makes a socket of a connection, and closes it
 * if the signal aborts. Options are checked in the preparation, while there is no connection to
 * close.
 */
type Opener<S> = () => (stream: NodeSocket, signal: AbortSignal) => Promise<S>;

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
export async function connect(given: ConnectOptions): Promise<LockedSocket> {
  const options = ownOptions('connect', given, [...plainNames, ...encryptedNames]);
  refuseUndefined('connect', options, clientSecurityNames);
  const address = toAddress('connect', options);
  const plan = toRetryPlan(options.retry);
  const timeout = milliseconds('timeout', options.timeout, defaultTimeout);
  checkSignal(options.signal);
  flag('plain', options.plain, false);
  checkedOptions(lockedSocketOptions(options));
  const opener = options.plain === true ? plainOpener(options) : encryptedOpener(options, address);
  if (options.signal?.aborted) return rejected(options.signal.reason);
  const stop = new AbortController();
  const name = describeAddress(address);
  const connected = withRetries(name, plan, stop.signal, async () => {
    const open = opener();
    return open(await dial(address, stop.signal), stop.signal);
  });
  const cancel = (reason: unknown): void => {
    stop.abort(reason);
  };
  const wait = { timeout, signal: options.signal };
  return withDeadline<LockedSocket>(connected, wait, new AbortHub(), cancel, noConnectionTo(name));
}

function plainOpener(given: PlainConnectOptions): Opener<LockedSocket> {
  const options = ownOptions('connect with plain: true', given, plainNames);
  return () => (stream) => Promise.resolve(new LockedSocket(stream, lockedSocketOptions(options)));
}

function encryptedOpener(options: EncryptedConnectOptions, address: Address): Opener<EncryptedSocket> {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = options;
  const noTrust =
    key === undefined && keyPath === undefined && pin === undefined && insecureAcceptAnyKey !== true;
  if (noTrust && knownHosts === false) {
    throw new TypeError(
      'with knownHosts: false nothing says which server to accept: give insecureAcceptAnyKey: true if that is intended',
    );
  }
  const choices = noTrust && knownHosts === undefined ? withOptions(options, { knownHosts: true }) : options;
  const newPlan = (): ClientPlan => new ClientPlan(choices, options.serverName ?? storeName(address));
  // Throws for an invalid option before the first attempt.
  newPlan();
  return () => {
    const plan = newPlan();
    return async (stream, signal) => {
      const socket = new EncryptedSocket(stream, lockedSocketOptions(options), plan);
      try {
        await socket.handshake({ signal });
        return socket;
      } catch (error) {
        // A failed handshake sends an alert and closes by itself. A reset could overtake that
        // alert.
        if (signal.aborted) void socket.close(undefined, { timeout: 0 });
        throw error;
      }
    };
  };
}
