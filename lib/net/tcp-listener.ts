import { FileError, K4netError, systemCode, toK4netError } from '../errors.js';
import { builtin, platform, type NodeServer, type NodeSocket } from '../platform/runtime.js';
import { toTransport } from '../transport/to-transport.js';
import { withFileLock, type LockHeld } from '../trust/file-lock.js';
import { withOptions } from '../util/options.js';
import { addressUrl, describeAddress, type Address } from './address.js';
import type { Listener, ListenerHandlers } from './listener.js';
import { dialTcp, socketOptions } from './tcp-dial.js';

/** Listens on a TCP port, a Unix socket or a Windows pipe. */
export class TcpListener implements Listener {
  readonly #asked: Address;
  readonly #server: NodeServer;
  #address: Address | undefined;

  /** @throws K4netError `K4NET_UNSUPPORTED` where the runtime has no node:net. */
  constructor(address: Address) {
    this.#asked = address;
    const { createServer } = builtin('node:net', 'a server');
    this.#server = createServer(withOptions({ ...socketOptions, pauseOnConnect: true }));
    // Node reads this property of the server through `Object.prototype`.
    this.#server.maxConnections = Infinity;
  }

  /** Where it listens, in the form that `connect` takes. */
  get address(): Address {
    return this.#address ?? this.#asked;
  }

  get url(): string {
    return addressUrl(this.address);
  }

  async open({ accept, report }: ListenerHandlers): Promise<void> {
    const server = this.#server;
    server.on('connection', (socket: NodeSocket) => {
      accept(toTransport(socket));
    });
    server.on('listening', () => {
      const bound = server.address();
      if (bound && typeof bound === 'object') this.#address = { host: bound.address, port: bound.port };
      server.on('error', report);
    });
    try {
      await bind(server, this.#asked);
    } catch (error) {
      throw listenError(error, describeAddress(this.#asked));
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }
}

/** @param where - the address, for the message. */
export function listenError(error: unknown, where: string): K4netError {
  const what = `cannot listen on ${where}`;
  if (!(error instanceof FileError)) return toK4netError(error, 'K4NET_LISTEN', what);
  return new K4netError('K4NET_LISTEN', `${what}: ${error.message}`, { cause: error.cause ?? error });
}

/**
 * Makes a listener listen on a TCP port or a path. Rejects with the system's error, or with an
 * error of the file lock.
 */
function bind(listener: NodeServer, address: Address): Promise<void> {
  if ('path' in address && platform() !== 'win32') return bindUnix(listener, address.path);
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

/** Listens on a TCP port or a path, as it is. Rejects with the system's error. */
export async function bindOnce(listener: NodeServer, address: Address): Promise<void> {
  if ('port' in address) await askDeno(address);
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
    const transport = await dialTcp(withOptions({ path }), new AbortController().signal);
    transport.abort();
    return true;
  } catch (error) {
    return systemCode(error instanceof Error ? error.cause : undefined) !== 'ECONNREFUSED';
  }
}
