import { causeOf, debug } from '../util/debug.js';
import { TimeoutError } from '../errors.js';
import { flag, milliseconds, ownOptions, refuseUndefined, withOptions } from '../util/options.js';
import type { NodeSocket } from '../platform/runtime.js';
import { ClientPlan } from '../sockets/session-plan.js';
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
import { AbortHub, withDeadline, checkSignal, rejected, startTimer, type WaitOptions } from '../util/wait.js';
import {
  addressNames,
  describeAddress,
  storeName,
  toAddress,
  type Address,
  type AddressOptions,
} from './address.js';
import { retryDelay, toRetryPlan, type RetryOptions, type RetryPlan } from './backoff.js';
import { dial, mayPass } from './dial.js';

/** What every {@link connect} takes. */
interface CommonOptions extends AddressOptions, WaitOptions, LockedSocketOptions {
  /** Milliseconds for the whole call, handshake and retries included. Default 10000; Infinity waits for ever. */
  readonly timeout?: number | undefined;
  /**
   * Whether and how to try again what may go better (refused, unreachable, not there yet, busy). Default: three more
   * attempts, after about 100, 200 and 400 ms. A server with another key than it should have is never tried again.
   */
  readonly retry?: RetryOptions | boolean | undefined;
}

/** Options of {@link connect} for a plain socket. */
export interface PlainConnectOptions extends CommonOptions {
  /** Asks for a socket without encryption: everyone on the way can read and change what it carries. */
  readonly plain: true;
}

/**
 * Options of {@link connect} for an encrypted socket. Without any of `key`, `keyPath`, `pin`, `knownHosts` and
 * `insecureAcceptAnyKey` it is `knownHosts: true`, under the name `host:port` (or `serverName`).
 */
export interface EncryptedConnectOptions extends CommonOptions, SessionChoices, ClientChoices {
  readonly plain?: false | undefined;
}

/** Options of {@link connect}. */
export type ConnectOptions = PlainConnectOptions | EncryptedConnectOptions;

const plainNames = [...addressNames, ...lockedSocketNames, 'plain', 'timeout', 'signal', 'retry'];
const secretNames = [...clientNames, ...sessionNames];
const defaultTimeout = 10_000;

/**
 * Prepares one attempt. The result makes a socket of the connection, and ends it when the signal aborts. Options that are
 * wrong throw in the preparation, when there is no connection that nobody would close.
 */
type Opener<S> = () => (stream: NodeSocket, signal: AbortSignal) => Promise<S>;

/**
 * Connects to a server, over TCP, a Unix socket or a Windows pipe, and resolves when the handshake has succeeded.
 *
 * Rejects with `K4NET_CONNECT` (its `cause` is the system's error), with what ended the handshake (`docs/errors.md`, "The
 * handshake"), with a {@link TimeoutError} (its `cause` is what the last attempt met), with the reason of the signal, with
 * `K4NET_UNSUPPORTED` where the runtime has no TCP, or with a TypeError or RangeError for options that are wrong.
 */
export function connect(options: EncryptedConnectOptions): Promise<EstablishedSocket>;
export function connect(options: ConnectOptions): Promise<LockedSocket>;
export async function connect(given: ConnectOptions): Promise<LockedSocket> {
  const options = ownOptions('connect', given, [...plainNames, ...secretNames]);
  refuseUndefined('connect', options, clientSecurityNames);
  const address = toAddress('connect', options);
  const plan = toRetryPlan(options.retry);
  const timeout = milliseconds('timeout', options.timeout, defaultTimeout);
  checkSignal(options.signal);
  flag('plain', options.plain, false);
  // Throws for a wrong option now, not when there is a connection that nobody would close.
  checkedOptions(lockedSocketOptions(options));
  const open = options.plain === true ? plainOpener(options) : encryptedOpener(options, address);
  if (options.signal?.aborted) return rejected(options.signal.reason);
  const stop = new AbortController();
  const attempts = persist(address, plan, stop.signal, open);
  const cancel = (reason: unknown): void => {
    stop.abort(reason);
  };
  const wait = { timeout, signal: options.signal };
  return withDeadline(attempts, wait, new AbortHub(), cancel, noConnectionTo(address));
}

function plainOpener(given: PlainConnectOptions): Opener<LockedSocket> {
  const options = ownOptions('connect with plain: true', given, plainNames);
  return () => (stream) => Promise.resolve(new LockedSocket(stream, lockedSocketOptions(options)));
}

function encryptedOpener(options: EncryptedConnectOptions, address: Address): Opener<EncryptedSocket> {
  const { key, keyPath, pin, knownHosts, insecureAcceptAnyKey } = options;
  const none =
    key === undefined && keyPath === undefined && pin === undefined && insecureAcceptAnyKey !== true;
  if (none && knownHosts === false) {
    throw new TypeError(
      'knownHosts: false leaves no way to know the server: say insecureAcceptAnyKey: true if that is meant',
    );
  }
  const choices = none && knownHosts === undefined ? withOptions(options, { knownHosts: true }) : options;
  const newPlan = (): ClientPlan => new ClientPlan(choices, options.serverName ?? storeName(address));
  newPlan();
  return () => {
    const plan = newPlan();
    return async (stream, signal) => {
      const socket = new EncryptedSocket(stream, lockedSocketOptions(options), plan);
      try {
        await socket.handshake({ signal });
        return socket;
      } catch (error) {
        // A failed handshake tells the server and leaves by itself; a cut would overtake the alert.
        if (signal.aborted) void socket.close(undefined, { timeout: 0 });
        throw error;
      }
    };
  };
}

/** Tries until it succeeds, meets what will not pass, has no retry left, or is told to stop. */
async function persist<S>(
  address: Address,
  plan: RetryPlan,
  signal: AbortSignal,
  opener: Opener<S>,
): Promise<S> {
  let last: unknown;
  for (let nth = 0; ; nth += 1) {
    debug?.(`dial ${describeAddress(address)}, attempt ${nth + 1}`);
    try {
      const open = opener();
      return await open(await dial(address, signal), signal);
    } catch (error) {
      debug?.(`dial ${describeAddress(address)}, attempt ${nth + 1} failed, ${causeOf(error)}`);
      if (signal.aborted) throw withCause(error, address, last);
      if (nth >= plan.retries || !mayPass(error)) throw error;
      last = error;
    }
    const delay = retryDelay(plan, nth);
    debug?.(`dial ${describeAddress(address)} again after ${Math.round(delay)} ms`);
    try {
      await pause(delay, signal);
    } catch (reason) {
      throw withCause(reason, address, last);
    }
  }
}

/** A timeout says more with what the last attempt met. */
function withCause(reason: unknown, address: Address, last: unknown): unknown {
  if (!(reason instanceof TimeoutError) || last === undefined) return reason;
  return new TimeoutError(noConnectionTo(address), reason.timeout, { cause: last });
}

function noConnectionTo(address: Address): string {
  return `there was no connection to ${describeAddress(address)}`;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => {
      timer.stop();
      reject(signal.reason as Error);
    };
    const timer = startTimer(() => {
      signal.removeEventListener('abort', stopped);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', stopped);
  });
}
