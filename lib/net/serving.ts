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
import { EncryptedSocket } from '../sockets/encrypted-socket.js';
import {
  lockedSocketOptions,
  lockedSocketTable,
  type LockedSocketOptions,
} from '../sockets/locked-socket-options.js';
import { LockedSocket } from '../sockets/locked-socket.js';
import type { Transport } from '../transport/transport.js';
import {
  countRule,
  flagRule,
  functionRule,
  withOptions,
  type Checked,
  type OptionTable,
  type OrUndefined,
} from '../util/options.js';
import { HandshakeLimits, type HandshakeSlot } from './handshake-limits.js';
import type { ServerParts } from './server-parts.js';

/** Options of every server, for plain and for encrypted sockets. */
export interface ServingOptions extends LockedSocketOptions {
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

/**
 * Options of every server of encrypted sockets. One of `key`, `keyPath` and `ephemeralKey` is
 * required.
 */
export interface EncryptedServingOptions extends ServingOptions, SessionChoices, ServerChoices {
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
}

export type UnsetServing = 'onError';
export type UnsetEncryptedServing = UnsetServing | UnsetServer | UnsetSession;

export const servingTable: OptionTable<ServingOptions, UnsetServing> = {
  ...lockedSocketTable,
  maxPending: countRule(511, 1, Infinity),
  onError: functionRule(),
};

export const encryptedServingTable: OptionTable<EncryptedServingOptions, UnsetEncryptedServing> = {
  ...servingTable,
  plain: flagRule(false),
  ...serverTable,
  ...sessionTable,
  ephemeralKey: flagRule(false),
  maxHandshakes: countRule(256, 1, Infinity),
};

/** The parts of a server of plain sockets, except its listeners. */
export function plainParts(options: Checked<ServingOptions, UnsetServing>): ServerParts<LockedSocket> {
  const { maxPending, onError } = options;
  const chosen = lockedSocketOptions(options);
  return { maxPending, onError, wrap: (transport) => new LockedSocket(transport, chosen) };
}

/**
 * The parts of a server of encrypted sockets, except its listeners. Loads the keys once, for all
 * connections.
 *
 * @param where - the name of the function in errors.
 * @param maxPerAddress - handshakes in progress for the clients of one address.
 */
export async function encryptedParts(
  where: string,
  options: Checked<EncryptedServingOptions, UnsetEncryptedServing>,
  maxPerAddress: number = Infinity,
): Promise<ServerParts<EncryptedSocket>> {
  checkKeySource(where, options);
  const { ServerPlan, checkServerChoices, checkWebCrypto, serverKeys } = await loadPlans();
  checkServerChoices(options);
  checkWebCrypto();
  const { maxPending, onError } = options;
  const limits = new HandshakeLimits(options.maxHandshakes, maxPerAddress);
  const keys = await serverKeys(options);
  const choices = withOptions(options, { key: keys, keyPath: undefined });
  const chosen = lockedSocketOptions(options);
  const wrap = (transport: Transport, slot?: HandshakeSlot): EncryptedSocket =>
    new EncryptedSocket(transport, chosen, new ServerPlan(choices, slot));
  const fingerprints = keys.map(({ fingerprint }) => fingerprint);
  return { maxPending, onError, wrap, handshakes: { limits, run }, fingerprints };
}

function checkKeySource(
  where: string,
  { key, keyPath, ephemeralKey }: OrUndefined<EncryptedServingOptions>,
): void {
  if (ephemeralKey === true && (key !== undefined || keyPath !== undefined)) {
    throw new TypeError(
      `'ephemeralKey' and '${key === undefined ? 'keyPath' : 'key'}' exclude each other: set one of them`,
    );
  }
  if (ephemeralKey !== true && key === undefined && keyPath === undefined) {
    throw new TypeError(
      `${where} needs 'key', 'keyPath' or 'ephemeralKey: true', or 'plain: true' for no encryption`,
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
