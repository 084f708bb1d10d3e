import { parseFingerprint } from '../crypto/public-key.js';
import { FileError } from '../errors.js';
import { builtin, environment, platform } from '../platform/runtime.js';
import { replaceFile } from './atomic-file.js';
import { withFileLock } from './file-lock.js';
import { HostLines } from './host-lines.js';
import { hostName, newHost, touchedHost, type KnownHost, type KnownHosts } from './known-hosts.js';
import { fileSystem, readSmallFile, withFileErrors } from './small-file.js';

const maxFileSize = 1_048_576;

/**
 * Returns the path of the default known-hosts file: `k4net/known_hosts` in the user's configuration
 * folder. That folder is `$XDG_CONFIG_HOME` or `~/.config` (on macOS too, like other command-line
 * tools), and `%APPDATA%` on Windows.
 */
export function defaultKnownHostsPath(): string {
  const need = 'the default known-hosts file';
  const paths = builtin('node:path', need);
  const onWindows = platform() === 'win32';
  const rules = onWindows ? paths.win32 : paths.posix;
  const folder = environment(onWindows ? 'APPDATA' : 'XDG_CONFIG_HOME');
  // The XDG specification says to ignore a path that is not absolute.
  if (folder !== undefined && rules.isAbsolute(folder)) return rules.join(folder, 'k4net', 'known_hosts');
  return rules.join(
    homeFolder(need),
    ...(onWindows ? ['AppData', 'Roaming'] : ['.config']),
    'k4net',
    'known_hosts',
  );
}

function homeFolder(need: string): string {
  const { homedir } = builtin('node:os', need);
  try {
    return homedir();
  } catch (cause) {
    throw new FileError('~', `is needed for ${need}, but this user has no home folder: name a path`, cause);
  }
}

/**
 * Returns a store of known hosts in a text file, for trust on first use.
 *
 * A line has one server: `name:port k4net1 sha256:... pinned|revoked first-seen last-seen`. People
 * may edit the file. Any number of processes may use it at the same time: a change replaces the
 * whole file under a file lock. The file and its folder are made when the first key is stored. The
 * limit is 1 MiB.
 *
 * The methods reject with a {@link FileError} for a file that cannot be read or written, or whose
 * line for the server is invalid.
 *
 * @param path - default: `k4net/known_hosts` in the user's configuration folder.
 * @throws TypeError for a path that is not a string, is empty or contains a NUL character.
 *
 * @example
 * ```ts
 * import { fileKnownHosts } from 'k4net';
 *
 * const store = fileKnownHosts('./known_hosts');
 * const known = await store.get('example.com:9000');
 * console.log(known?.fingerprint ?? 'not known yet');
 * ```
 */
export function fileKnownHosts(path: string = defaultKnownHostsPath()): Required<KnownHosts> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new TypeError('the path of a known-hosts file must be a string that is not empty');
  }
  return new FileKnownHosts(path);
}

class FileKnownHosts implements Required<KnownHosts> {
  readonly #path: string;
  /**
   * The last change. Changes of one process run one after the other, so that they do not compete
   * for the lock.
   */
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  async get(name: string): Promise<KnownHost | undefined> {
    const wanted = hostName(name);
    return (await readLines(this.#path)).find(wanted);
  }

  async addIfAbsent(name: string, fingerprint: string): Promise<KnownHost> {
    const host = newHost(name, fingerprint);
    // Read without the lock first: a file that an administrator manages may be read-only.
    const known = await this.get(host.name);
    if (known) return known;
    return this.#change((lines) => {
      const found = lines.find(host.name);
      if (!found) lines.set(host);
      return found ?? host;
    });
  }

  async replace(name: string, fingerprint: string, state?: KnownHost['state']): Promise<void> {
    const host = newHost(name, fingerprint, state);
    await this.#change((lines) => {
      lines.set(host);
    });
  }

  async remove(name: string): Promise<boolean> {
    const wanted = hostName(name);
    return this.#change((lines) => lines.delete(wanted));
  }

  async touch(name: string, fingerprint: string): Promise<void> {
    const [wanted, print] = [hostName(name), parseFingerprint(fingerprint)];
    try {
      // At most once a day, so that a connection costs no write.
      if (!touchedHost(await this.get(wanted), print)) return;
      await this.#change((lines) => {
        const fresh = touchedHost(lines.find(wanted), print);
        if (fresh) lines.set(fresh);
      });
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }

  #change<T>(change: (lines: HostLines) => T): Promise<T> {
    const done = this.#last.then(() => changeFile(this.#path, change));
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/**
 * Returns all servers of a known-hosts file, with an error in place of an invalid line. Without a
 * file: no servers.
 */
export async function listKnownHosts(path: string): Promise<(KnownHost | FileError)[]> {
  return (await readLines(path)).list();
}

/** @param name - the path as the caller gave it, for errors. */
async function readLines(path: string, name: string = path): Promise<HostLines> {
  const file = await readSmallFile(path, maxFileSize);
  return new HostLines(name, file?.bytes ?? new Uint8Array());
}

/**
 * Changes a known-hosts file for a command, under the file lock.
 *
 * @param change - runs again if the lock was lost.
 * @throws FileError if any line is invalid: the file may be another one by mistake.
 */
export function editKnownHosts<T>(path: string, change: (lines: HostLines) => T): Promise<T> {
  return changeFile(path, (lines) => {
    lines.check();
    return change(lines);
  });
}

async function changeFile<T>(path: string, change: (lines: HostLines) => T): Promise<T> {
  const target = await withFileErrors(path, 'cannot be written', () => resolvePath(path));
  for (;;) {
    const done = await withFileLock(target, async (held) => {
      const lines = await readLines(target, path);
      const value = change(lines);
      if (!lines.changed) return { value };
      const bytes = lines.toBytes();
      // A file over the limit could not be read again.
      if (bytes.length > maxFileSize) {
        throw new FileError(path, `would exceed the limit of ${maxFileSize} bytes`);
      }
      return (await replaceFile(target, bytes, 0o600, held)) ? { value } : undefined;
    });
    if (done) return done.value;
  }
}

/**
 * Makes the missing folder. Resolves a symbolic link to its file, because a rename would replace
 * the link itself.
 */
async function resolvePath(path: string): Promise<string> {
  const { mkdir, realpath } = fileSystem();
  const paths = builtin('node:path', 'a known-hosts file');
  const folder = paths.dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    return await realpath(path);
  } catch {
    // There is no file yet. All processes must use the same lock, whichever links lead to the
    // folder.
    return paths.join(await realpath(folder), paths.basename(path));
  }
}
