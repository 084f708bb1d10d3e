import { kindOf } from '../bytes.js';
import { toK4netError, type K4netError } from '../errors.js';
import { checkNames, integer } from '../options.js';
import { builtin, type NodeServer } from '../runtime.js';
import { LockedSocket } from '../sockets/locked-socket.js';
import {
  checkedOptions,
  lockedSocketNames,
  lockedSocketOptions,
  type LockedSocketOptions,
} from '../sockets/locked-socket-options.js';
import {
  addressNames,
  checkPlain,
  describeAddress,
  toAddress,
  type Address,
  type AddressOptions,
} from './address.js';
import { codeOf, keepAliveDelay } from './dial.js';
import { Server } from './server.js';
import { removeStale } from './unix-path.js';

/** Options of {@link listen}. */
export interface ListenOptions extends AddressOptions, LockedSocketOptions {
  /** Asks for sockets without encryption: everyone on the way can read and change what they carry. */
  readonly plain: true;
  /** Connections that may wait until they are taken; the next ones are reset. Default 511. */
  readonly maxPending?: number | undefined;
  /**
   * Hears what went wrong with single connections: a handler that threw (with its socket), one that was turned away
   * (`K4NET_BUSY`), an accept that failed. Default: a process warning, once a kind.
   */
  readonly onError?: ((error: unknown, socket?: LockedSocket) => void) | undefined;
}

const listenNames = [...addressNames, ...lockedSocketNames, 'plain', 'maxPending', 'onError'];

/**
 * Starts a server on a TCP port, a Unix socket or a Windows pipe. The socket file of a server that is gone is
 * replaced, that of a live one is not.
 *
 * Rejects with `K4NET_LISTEN` (its `cause` is the system's error), with `K4NET_UNSUPPORTED` where the runtime has no
 * TCP, or with a TypeError or RangeError for options that are wrong.
 */
export async function listen(options: ListenOptions): Promise<Server> {
  checkNames('listen', options, listenNames);
  const address = toAddress('listen', options);
  checkPlain('listen', options.plain);
  const maxPending = integer('maxPending', options.maxPending, 511, 1, Infinity);
  const { onError } = options;
  if (onError !== undefined && typeof onError !== 'function') {
    throw new TypeError(`onError is a function, not ${kindOf(onError)}`);
  }
  const locked = lockedSocketOptions(options);
  // Throws for a wrong option now, not at the first connection.
  checkedOptions(locked);
  const listener = builtin('node:net', 'a server').createServer({
    allowHalfOpen: true,
    pauseOnConnect: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelay,
  });
  const server = new Server(listener, address, {
    maxPending,
    onError,
    wrap: (stream) => new LockedSocket(stream, locked),
  });
  try {
    await bind(listener, address);
  } catch (error) {
    if (!('path' in address) || codeOf(error) !== 'EADDRINUSE' || !(await removeStale(address.path))) {
      throw listenError(error, address);
    }
    await bind(listener, address).catch((again: unknown) => {
      throw listenError(again, address);
    });
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
  return toK4netError(error, 'K4NET_LISTEN', `cannot listen on ${describeAddress(address)}`);
}
