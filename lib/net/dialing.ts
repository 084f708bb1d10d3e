import { loadPlans } from '#plan';
import {
  clientTable,
  sessionTable,
  type ClientChoices,
  type SessionChoices,
  type UnsetClient,
  type UnsetSession,
} from '../sockets/encrypted-socket-options.js';
import { EncryptedSocket } from '../sockets/encrypted-socket.js';
import {
  lockedSocketOptions,
  lockedSocketTable,
  type LockedSocketOptions,
} from '../sockets/locked-socket-options.js';
import { LockedSocket } from '../sockets/locked-socket.js';
import type { Transport } from '../transport/transport.js';
import {
  flagRule,
  millisecondsRule,
  uncheckedRule,
  withOptions,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import { AbortHub, rejected, signalRule, withDeadline, type WaitOptions } from '../util/wait.js';
import { noConnectionTo, toRetryPlan, withRetries, type RetryOptions } from './retry.js';

/** Options of every client, for plain and for encrypted sockets. */
export interface DialingOptions extends WaitOptions, LockedSocketOptions {
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

/**
 * Options of every client of encrypted sockets. Without any of `key`, `keyPath`, `pin`,
 * `knownHosts` and `insecureAcceptAnyKey`, the default is `knownHosts: true` (trust on first use).
 */
export interface EncryptedDialingOptions extends DialingOptions, SessionChoices, ClientChoices {
  /** Default false: encrypted. */
  readonly plain?: false | undefined;
}

export type UnsetDialing = 'signal' | 'retry';
export type UnsetEncryptedDialing = UnsetDialing | UnsetClient | UnsetSession;

export const dialingTable: OptionTable<DialingOptions, UnsetDialing> = {
  ...lockedSocketTable,
  timeout: millisecondsRule(10_000),
  signal: signalRule,
  retry: uncheckedRule(),
};

export const encryptedDialingTable: OptionTable<EncryptedDialingOptions, UnsetEncryptedDialing> = {
  ...dialingTable,
  plain: flagRule(false),
  ...clientTable,
  ...sessionTable,
};

/** Opens one connection. Rejects with the reason of the signal if that aborts. */
export type Dial = (signal: AbortSignal) => Promise<Transport>;

/** One attempt: dials, and makes a socket of the connection. */
export type Opener<S> = (dial: Dial, signal: AbortSignal) => Promise<S>;

/**
 * Connects with retries, within the timeout of the call.
 *
 * @param name - the server, for messages.
 */
export function openWithRetries<S extends LockedSocket>(
  name: string,
  options: Checked<DialingOptions, UnsetDialing>,
  dial: Dial,
  opener: Opener<S>,
): Promise<S> {
  const { timeout, signal } = options;
  const plan = toRetryPlan(options.retry);
  if (signal?.aborted) return rejected(signal.reason);
  const stop = new AbortController();
  const connected = withRetries(name, plan, stop.signal, () => opener(dial, stop.signal));
  const cancel = (reason: unknown): void => {
    stop.abort(reason);
  };
  return withDeadline(connected, { timeout, signal }, new AbortHub(), cancel, noConnectionTo(name));
}

/** Makes plain sockets. */
export function plainOpener(options: Checked<DialingOptions, UnsetDialing>): Opener<LockedSocket> {
  const chosen = lockedSocketOptions(options);
  return async (dial, signal) => new LockedSocket(await dial(signal), chosen);
}

/**
 * Makes encrypted sockets, and closes a socket if the signal aborts.
 *
 * @param storeName - the name of the server in a known-hosts store.
 */
export function encryptedOpener(
  options: Checked<EncryptedDialingOptions, UnsetEncryptedDialing>,
  storeName: string,
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
  return async (dial, signal) => {
    // An invalid option, or a feature that is missing, rejects before there is a connection.
    const { ClientPlan, checkWebCrypto } = await loadPlans();
    checkWebCrypto();
    const plan = new ClientPlan(choices, options.serverName ?? storeName);
    const socket = new EncryptedSocket(await dial(signal), chosen, plan);
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
