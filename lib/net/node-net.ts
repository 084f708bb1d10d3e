import { K4netError, systemCode } from '../errors.js';
import { builtin, platform, type NodeServer, type NodeSocket } from '../platform/runtime.js';
import { withFileLock, type LockHeld } from '../trust/file-lock.js';
import { withOptions } from '../util/options.js';
import { describeAddress, type Address } from './address.js';

/**
 * Options of node:net for the connections of both sides. `keepAliveInitialDelay` is in
 * milliseconds.
 */
const socketOptions = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

/**
 * Opens one connection over TCP or to a path. Rejects with `K4NET_CONNECT`, or with the reason of
 * the signal.
 */
export function dial(address: Address, signal: AbortSignal): Promise<NodeSocket> {
  const { connect } = builtin('node:net', 'a connection');
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const failed = (error: Error): void => {
      const message = `no connection to ${describeAddress(address)}: ${systemCode(error) || error.message}`;
      reject(new K4netError('K4NET_CONNECT', message, { cause: error }));
    };
    let socket: NodeSocket;
    try {
      socket = connect(withOptions({ ...address, ...socketOptions }));
    } catch (error) {
      // Deno throws if the program may not connect there.
      failed(error as Error);
      return;
    }
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort);
    // This listener stays: until the socket has a new owner, nothing else handles its errors.
    socket.on('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      failed(error);
    });
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(socket);
    });
  });
}

/** Makes a listener that does not listen yet. */
export function createListener(): NodeServer {
  const { createServer } = builtin('node:net', 'a server');
  const listener = createServer(withOptions({ ...socketOptions, pauseOnConnect: true }));
  // Node reads this property of the listener through `Object.prototype`.
  listener.maxConnections = Infinity;
  return listener;
}

/**
 * Makes a listener listen on a TCP port or a path. Rejects with the system's error, or with an
 * error of the file lock.
 */
export async function bind(listener: NodeServer, address: Address): Promise<void> {
  if ('path' in address && platform() !== 'win32') return bindUnix(listener, address.path);
  if ('port' in address) await askDeno(address);
  return bindOnce(listener, address);
}

/**
 * Asks Deno for the permission to listen. Its `listen` would throw in a later turn, where nothing
 * catches the error, and end the process.
 */
async function askDeno({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const { Deno: deno } = globalThis as { readonly Deno?: DenoLike };
  if (!deno) return;
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { state } = await deno.permissions.request({ name: 'net', host: place });
  if (state !== 'granted') throw new Error(`Deno needs --allow-net=${place}`);
}

/** The part of Deno that the library uses. */
interface DenoLike {
  readonly permissions: {
    request(what: { readonly name: string; readonly host: string }): Promise<{ readonly state: string }>;
  };
}

function bindOnce(listener: NodeServer, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(address, () => {
      listener.removeListener('error', reject);
      resolve();
    });
  });
}

/**
 * Binds a Unix socket, and replaces the stale socket file of a server that is gone. Windows pipes
 * leave no file.
 *
 * All of it happens under the file lock `<path>.lock`. Otherwise, if two processes find the same
 * stale file, the second could remove the socket file that the first has made. And a socket that is
 * bound but does not listen yet looks stale.
 */
function bindUnix(listener: NodeServer, path: string): Promise<void> {
  const address = withOptions({ path });
  return withFileLock(path, async (held) => {
    try {
      await bindOnce(listener, address);
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE' || !(await removeStaleSocket(path, held))) throw error;
      await bindOnce(listener, address);
    }
  });
}

/**
 * Removes the socket file of a server that is gone. Keeps a socket that accepts connections, a file
 * of another kind, and a file that was made in the meantime. Returns whether the path is free now.
 */
async function removeStaleSocket(path: string, held: LockHeld): Promise<boolean> {
  const { lstat, unlink } = builtin('node:fs', 'a Unix socket').promises;
  const found = await lstat(path).catch(() => undefined);
  if (!found) return true;
  if (!found.isSocket() || (await isAlive(path)) || !(await held())) return false;
  const now = await lstat(path).catch(() => undefined);
  if (now && (now.ino !== found.ino || now.ctimeMs !== found.ctimeMs)) return false;
  try {
    await unlink(path);
  } catch (error) {
    return systemCode(error) === 'ENOENT';
  }
  return true;
}

/**
 * Only a refused connection proves that no server listens. With any other error there may be one.
 */
async function isAlive(path: string): Promise<boolean> {
  try {
    const socket = await dial(withOptions({ path }), new AbortController().signal);
    socket.destroy();
    return true;
  } catch (error) {
    return systemCode(error instanceof Error ? error.cause : undefined) !== 'ECONNREFUSED';
  }
}
