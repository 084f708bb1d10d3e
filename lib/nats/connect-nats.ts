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
} from '../net/dialing.js';
import type { EstablishedSocket } from '../sockets/encrypted-socket.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { checkOptions, flagRule, ownOptions, type Checked, type OptionTable } from '../util/options.js';
import { natsTable, type NatsOptions } from './hub-settings.js';
import { hubFor } from './hubs.js';
import type { NatsConnectionLike } from './nats-connection.js';
import { checkName, instanceSubject, serviceSubject } from './subjects.js';

/** Options of {@link connectNats} beside those of `connect`. */
interface SessionOptions extends NatsOptions {
  /** The id of an instance. Default: NATS chooses one. */
  readonly instance?: string | undefined;
}

/** Options of {@link connectNats} for a plain socket. */
export interface PlainConnectNatsOptions extends SessionOptions, DialingOptions {
  /** Turns encryption off: all who may use NATS, and NATS itself, can read and change messages. */
  readonly plain: true;
}

/**
 * Options of {@link connectNats} for an encrypted socket. Without any of `key`, `keyPath`, `pin`,
 * `knownHosts` and `insecureAcceptAnyKey`, the default is `knownHosts: true` (trust on first use)
 * under the name `nats:<name>` or `serverName`.
 */
export interface EncryptedConnectNatsOptions extends SessionOptions, EncryptedDialingOptions {}

/** Options of {@link connectNats}. */
export type ConnectNatsOptions = PlainConnectNatsOptions | EncryptedConnectNatsOptions;

type UnsetSession = keyof SessionOptions;

const sessionTable: OptionTable<SessionOptions, UnsetSession> = {
  ...natsTable,
  instance: { fallback: undefined, check: checkName },
};

const plainTable: OptionTable<PlainConnectNatsOptions, UnsetSession | UnsetDialing> = {
  ...sessionTable,
  ...dialingTable,
  plain: flagRule(false),
};

const encryptedTable: OptionTable<EncryptedConnectNatsOptions, UnsetSession | UnsetEncryptedDialing> = {
  ...sessionTable,
  ...encryptedDialingTable,
};

/**
 * Opens a session with one instance of a service over NATS, and resolves when the handshake has
 * succeeded. The connection to NATS stays open when the socket closes.
 *
 * Rejects with `K4NET_CONNECT` if no instance listens, NATS is away or does not permit it, with
 * `K4NET_BUSY` if an instance refuses, with the errors of `connect` for the handshake, the timeout
 * and the signal, or with a TypeError or RangeError for invalid arguments.
 *
 * @param nc - a connection of `@nats-io/transport-node`, `wsconnect` or `nats`.
 * @param name - of the service.
 *
 * @example
 * ```ts
 * import { connectNats, type NatsConnectionLike } from 'k4net/nats';
 *
 * export async function ask(nc: NatsConnectionLike, pin: string) {
 *   const socket = await connectNats(nc, 'orders', { pin, timeout: 5_000 });
 *   await socket.close('hello');
 * }
 * ```
 */
export function connectNats(
  nc: NatsConnectionLike,
  name: string,
  options?: EncryptedConnectNatsOptions,
): Promise<EstablishedSocket>;
export function connectNats(
  nc: NatsConnectionLike,
  name: string,
  options: ConnectNatsOptions,
): Promise<LockedSocket>;
export async function connectNats(
  nc: NatsConnectionLike,
  name: string,
  given?: ConnectNatsOptions,
): Promise<LockedSocket> {
  const own = ownOptions('connectNats', given, Object.keys(encryptedTable));
  const title = `nats:${checkName('the name of a service', name)}`;
  if (own.plain === true) {
    const options = checkOptions('connectNats with plain: true', own, plainTable);
    return openWithRetries(title, options, dialOf(nc, name, options), plainOpener(options));
  }
  const options = checkOptions('connectNats', own, encryptedTable);
  const opener = encryptedOpener(options, title);
  return openWithRetries(title, options, dialOf(nc, name, options), opener);
}

function dialOf(nc: NatsConnectionLike, name: string, options: Checked<SessionOptions, UnsetSession>): Dial {
  const hub = hubFor(nc, options);
  const { instance } = options;
  const target = instance === undefined ? serviceSubject(name) : instanceSubject(name, instance);
  return (signal) => hub.open(target, signal);
}
