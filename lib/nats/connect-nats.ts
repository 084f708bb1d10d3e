import type { EstablishedSocket } from '../sockets/encrypted-socket.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { checkOptions, ownOptions, withOptions, type OptionTable } from '../util/options.js';
import type { NatsConnectionLike } from './nats-connection.js';
import {
  instanceRule,
  NatsDialer,
  natsDialingNames,
  type EncryptedNatsDialingOptions,
  type PlainNatsDialingOptions,
} from './nats-dialer.js';

/** Options of {@link connectNats} beside those of every client over NATS. */
interface InstanceChoice {
  /** The id of an instance. Default: NATS chooses one. */
  readonly instance?: string | undefined;
}

/** Options of {@link connectNats} for a plain socket. */
export interface PlainConnectNatsOptions extends InstanceChoice, PlainNatsDialingOptions {}

/** Options of {@link connectNats} for an encrypted socket. */
export interface EncryptedConnectNatsOptions extends InstanceChoice, EncryptedNatsDialingOptions {}

/** Options of {@link connectNats}. */
export type ConnectNatsOptions = PlainConnectNatsOptions | EncryptedConnectNatsOptions;

const choiceTable: OptionTable<InstanceChoice, 'instance'> = { instance: instanceRule };

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
  const own = ownOptions('connectNats', given, ['instance', ...natsDialingNames]);
  const { instance, ...rest } = own;
  const choice = checkOptions('connectNats', withOptions({ instance }), choiceTable);
  return new NatsDialer('connectNats', nc, name, withOptions(rest)).connect(choice.instance);
}
