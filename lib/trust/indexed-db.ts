import { K4netError, toK4netError } from '../errors.js';
import { parseFingerprint } from '../crypto/public-key.js';
import { hostName, newHost, touchedHost, type KnownHost, type KnownHosts } from './known-hosts.js';

// The part of IndexedDB that the store uses: the types of the library must not need the DOM.
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}
interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
}
interface Database {
  createObjectStore(name: string, options: { readonly keyPath: string }): unknown;
  transaction(store: string, mode: Mode, options: { readonly durability: 'strict' }): Transaction;
  close(): void;
}
interface Transaction {
  readonly error: unknown;
  objectStore(name: string): ObjectStore;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}
interface ObjectStore {
  get(name: string): Request<KnownHost | undefined>;
  put(host: KnownHost): unknown;
  delete(name: string): unknown;
}
type Mode = 'readonly' | 'readwrite';

/** The only version of the database, and the object store in it. */
const version = 1;
const storeName = 'known-hosts';

/**
 * Returns a store of known hosts in IndexedDB, for trust on first use in a page or a worker. All
 * tabs and workers of an origin share it. `knownHosts: true` is the store with the default name.
 *
 * Browsers may delete the data of an origin that is rarely used: `navigator.storage.persist()` asks
 * them to keep it. Without the data, the next connection is a first use again.
 *
 * The methods reject with `K4NET_UNSUPPORTED` where there is no IndexedDB, for example in a
 * sandboxed frame, and with `K4NET_STORE` if the database fails.
 *
 * @param name - of the database. Default `k4net`.
 * @throws TypeError for a name that is not a string or is empty.
 *
 * @example
 * ```ts
 * import { EncryptedSocket, indexedDbKnownHosts, memoryPair } from 'k4net';
 *
 * const [carrier] = memoryPair();
 * const knownHosts = indexedDbKnownHosts('my-app');
 * const socket = new EncryptedSocket(carrier, { serverName: 'example.com', knownHosts });
 * await socket.close();
 * ```
 */
export function indexedDbKnownHosts(name: string = 'k4net'): Required<KnownHosts> {
  if (typeof name !== 'string' || name === '') {
    throw new TypeError('the name of a database of known hosts must be a string that is not empty');
  }
  return new IndexedDbKnownHosts(name);
}

class IndexedDbKnownHosts implements Required<KnownHosts> {
  readonly #database: string;

  constructor(database: string) {
    this.#database = database;
  }

  async get(name: string): Promise<KnownHost | undefined> {
    const { after } = await this.#change(hostName(name), (known) => known, 'readonly');
    return after;
  }

  async addIfAbsent(name: string, fingerprint: string): Promise<KnownHost> {
    const host = newHost(name, fingerprint);
    const { before = host } = await this.#change(host.name, (known) => known ?? host);
    return before;
  }

  async replace(name: string, fingerprint: string, state?: KnownHost['state']): Promise<void> {
    const host = newHost(name, fingerprint, state);
    await this.#change(host.name, () => host);
  }

  async remove(name: string): Promise<boolean> {
    const { before } = await this.#change(hostName(name), () => undefined);
    return before !== undefined;
  }

  async touch(name: string, fingerprint: string): Promise<void> {
    const [wanted, print] = [hostName(name), parseFingerprint(fingerprint)];
    try {
      await this.#change(wanted, (known) => touchedHost(known, print) ?? known);
    } catch (error) {
      if (!K4netError.is(error)) throw error;
    }
  }

  /**
   * Reads an entry and replaces or removes it, in one transaction: the browser runs the `readwrite`
   * transactions of all tabs and workers one after the other.
   */
  async #change(
    name: string,
    next: (known: KnownHost | undefined) => KnownHost | undefined,
    mode: Mode = 'readwrite',
  ): Promise<{ before: KnownHost | undefined; after: KnownHost | undefined }> {
    const database = await open(this.#database);
    try {
      // A lost entry would make the next connection a first use: wait until it is on the disk.
      const transaction = database.transaction(storeName, mode, { durability: 'strict' });
      const store = transaction.objectStore(storeName);
      const reading = store.get(name);
      return await new Promise((resolve, reject) => {
        let before: KnownHost | undefined;
        let after: KnownHost | undefined;
        reading.onsuccess = () => {
          before = reading.result;
          after = next(before);
          if (after === before) return;
          if (after) store.put(after);
          else store.delete(name);
        };
        transaction.oncomplete = () => {
          resolve({ before, after });
        };
        transaction.onabort = () => {
          reject(failure(this.#database, transaction.error));
        };
      });
    } catch (error) {
      throw failure(this.#database, error);
    } finally {
      // An open connection would block a deletion or a new version of the database in another tab.
      database.close();
    }
  }
}

function open(name: string): Promise<Database> {
  return new Promise((resolve, reject) => {
    const request = requestDatabase(name);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(storeName, { keyPath: 'name' });
    };
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(failure(name, request.error));
    };
  });
}

function requestDatabase(name: string): OpenRequest {
  let cause: unknown;
  try {
    const { indexedDB } = globalThis as {
      readonly indexedDB?: { open(name: string, version: number): OpenRequest };
    };
    if (indexedDB) return indexedDB.open(name, version);
  } catch (error) {
    cause = error;
  }
  const message =
    'a store of known hosts needs IndexedDB, which this runtime or frame does not have: ' +
    "use memoryKnownHosts(), a store of your own, or 'pin'";
  throw new K4netError('K4NET_UNSUPPORTED', message, { cause });
}

function failure(name: string, error: unknown): K4netError {
  const what =
    `the database of known hosts ${JSON.stringify(name)} failed ` +
    '(if something else uses this name, give indexedDbKnownHosts another one)';
  return toK4netError(error, 'K4NET_STORE', what);
}
