import { kindOf } from '../util/bytes.js';
import { FileError, K4netError, toK4netError } from '../errors.js';
import { flag, integer, ownOptions, refuseUndefined, withOptions } from '../util/options.js';
import { builtin, type NodeServer } from '../platform/runtime.js';
import {
  serverNames,
  serverSecurityNames,
  sessionNames,
  type ServerChoices,
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
import { checkServerChoices, ServerPlan } from '../sockets/session-plan.js';
import { serverKeys } from '../trust/server-keys.js';
import type { DuplexLike } from '../transport/duplex.js';
import { addressNames, describeAddress, toAddress, type Address, type AddressOptions } from './address.js';
import { socketOptions } from './dial.js';
import { HandshakeGate, type HandshakePlace } from './handshake-gate.js';
import { Server, type ServerParts } from './server.js';
import { bindPath } from './unix-path.js';

/** Options that {@link listen} has for plain and for encrypted sockets. */
interface CommonOptions extends AddressOptions, LockedSocketOptions {
  /**
   * Connections that may wait until they are taken; the next ones are turned away. Default 511. Each is read up to its
   * `recvSize`. One that breaks, or ends without having sent a message, gives up its place.
   */
  readonly maxPending?: number | undefined;
  /**
   * Hears what went wrong with single connections: a handshake that failed or a handler that threw (with its socket), one
   * that was turned away (`K4NET_BUSY`), an accept that failed. Default: a process warning, once a kind.
   */
  readonly onError?: ((error: unknown, socket?: LockedSocket) => void) | undefined;
}

/** Options of {@link listen} for plain sockets. */
export interface PlainListenOptions extends CommonOptions {
  /** Asks for sockets without encryption: everyone on the way can read and change what they carry. */
  readonly plain: true;
}

/** Options of {@link listen} for encrypted sockets. One of `key`, `keyPath` and `ephemeralKey` says where the key is. */
export interface EncryptedListenOptions extends CommonOptions, SessionChoices, ServerChoices {
  readonly plain?: false | undefined;
  /** Makes a key that lives in memory only: after a restart, clients that remember it will refuse the server. */
  readonly ephemeralKey?: boolean | undefined;
  /**
   * Handshakes under way at a time. When there are as many, a new connection takes the place of the oldest one whose client
   * has not sent its first message yet. If there is none, the new client gets the alert that the server is busy. Default
   * 256.
   */
  readonly maxHandshakes?: number | undefined;
  /**
   * The same for the clients of one IPv4 address or of one IPv6 network (/64); this machine's own addresses are not
   * counted. Default 16.
   */
  readonly maxHandshakesPerAddress?: number | undefined;
}

/** Options of {@link listen}. */
export type ListenOptions = PlainListenOptions | EncryptedListenOptions;

const plainNames = [...addressNames, ...lockedSocketNames, 'plain', 'maxPending', 'onError'];
const secretNames = [
  ...serverNames,
  ...sessionNames,
  'ephemeralKey',
  'maxHandshakes',
  'maxHandshakesPerAddress',
];

/**
 * Starts a server on a TCP port, a Unix socket or a Windows pipe. The socket file of a server that
 * is gone is replaced, that of a live one is not; meanwhile the file `<path>.lock` keeps other
 * processes out. Sockets come out of it when their handshake has succeeded.
 *
 * Rejects with `K4NET_LISTEN` (its `cause` is the system's error), with a {@link FileError} for a key that cannot be read
 * or made, with `K4NET_UNSUPPORTED` where the runtime has no TCP, or with a TypeError or RangeError for options that are
 * wrong.
 */
export function listen(options: EncryptedListenOptions): Promise<Server<EstablishedSocket>>;
export function listen(options: ListenOptions): Promise<Server>;
export async function listen(
  given: ListenOptions,
): Promise<Server | Server<EncryptedSocket> | Server<EstablishedSocket>> {
  const options = ownOptions('listen', given, [...plainNames, ...secretNames]);
  refuseUndefined('listen', options, serverSecurityNames);
  const address = toAddress('listen', options);
  const maxPending = integer('maxPending', options.maxPending, 511, 1, Infinity);
  flag('plain', options.plain, false);
  const { onError } = options;
  if (onError !== undefined && typeof onError !== 'function') {
    throw new TypeError(`onError is a function, not ${kindOf(onError)}`);
  }
  // Throws for a wrong option now, not at the first connection.
  checkedOptions(lockedSocketOptions(options));
  if (options.plain === true) {
    const chosen = lockedSocketOptions(ownOptions('listen with plain: true', options, plainNames));
    const wrap = (stream: DuplexLike): LockedSocket => new LockedSocket(stream, chosen);
    return start(address, { maxPending, onError, wrap });
  }
  return start(address, { maxPending, onError, ...(await encryption(options)) });
}

/** Gets the keys once, for all connections. */
async function encryption(
  options: EncryptedListenOptions,
): Promise<Pick<ServerParts<EncryptedSocket>, 'wrap' | 'handshakes' | 'fingerprints'>> {
  const { key, keyPath, clientAuth, authorize } = options;
  const ephemeral = flag('ephemeralKey', options.ephemeralKey, false);
  if (ephemeral && (key !== undefined || keyPath !== undefined)) {
    throw new TypeError(
      `'ephemeralKey' and '${key === undefined ? 'keyPath' : 'key'}' contradict each other`,
    );
  }
  if (!ephemeral && key === undefined && keyPath === undefined) {
    throw new TypeError(
      "listen needs 'key', 'keyPath' or 'ephemeralKey: true', or 'plain: true' for no encryption",
    );
  }
  checkServerChoices(options);
  const gate = new HandshakeGate(
    integer('maxHandshakes', options.maxHandshakes, 256, 1, Infinity),
    integer('maxHandshakesPerAddress', options.maxHandshakesPerAddress, 16, 1, Infinity),
  );
  const keys = await serverKeys(options);
  const { handshakeTimeout, appProtocols, recordLimit, recvSize, padding, cipher } = options;
  const choices = withOptions({
    key: keys,
    serverNames: options.serverNames,
    clientAuth,
    authorize,
    handshakeTimeout,
    appProtocols,
    recordLimit,
    recvSize,
    padding,
    cipher,
  });
  const wrap = (stream: DuplexLike, place?: HandshakePlace): EncryptedSocket =>
    new EncryptedSocket(stream, lockedSocketOptions(options), new ServerPlan(choices, place));
  const shake = async (socket: EncryptedSocket): Promise<void> => {
    try {
      await socket.handshake();
    } catch (error) {
      // An `authorize` that failed: `onError` gets its own error.
      const own = K4netError.is(error, 'K4NET_CLIENT_KEY_REFUSED') && error.cause !== undefined;
      throw own ? error.cause : error;
    }
  };
  return { wrap, handshakes: { gate, shake }, fingerprints: keys.map(({ fingerprint }) => fingerprint) };
}

async function start<S extends LockedSocket>(address: Address, parts: ServerParts<S>): Promise<Server<S>> {
  const listener = builtin('node:net', 'a server').createServer(
    withOptions({ ...socketOptions, pauseOnConnect: true }),
  );
  // Node reads this property of the listener through `Object.prototype`.
  listener.maxConnections = Infinity;
  const server = new Server<S>(listener, address, parts);
  const open = (): Promise<void> => bind(listener, address);
  try {
    await ('path' in address ? bindPath(address.path, open) : open());
  } catch (error) {
    // A lock that could not be given back leaves a listener that listens.
    listener.close();
    throw listenError(error, address);
  }
  return server;
}

function bind(listener: NodeServer, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(address, () => {
      listener.removeListener('error', reject);
      resolve();
    });
  });
}

function listenError(error: unknown, address: Address): K4netError {
  const what = `cannot listen on ${describeAddress(address)}`;
  if (!(error instanceof FileError)) return toK4netError(error, 'K4NET_LISTEN', what);
  return new K4netError('K4NET_LISTEN', `${what}: ${error.message}`, { cause: error.cause ?? error });
}
