import { kindOf } from '../util/bytes.js';
import { parseFingerprint } from '../crypto/keys.js';
import { FileError, K4netError, KeyMismatchError } from '../errors.js';
import { builtin, environment, platform } from '../platform/runtime.js';
import { replaceFile } from './atomic-file.js';
import { withFileErrors } from './file-error.js';
import { withFileLock } from './file-lock.js';
import { HostLines, type KnownHost } from './host-lines.js';
import { hostName } from './host-name.js';
import { files, readSmallFile } from './small-file.js';

export type { KnownHost } from './host-lines.js';

/** Remembers the keys of servers. Any object with these methods will do. */
export interface KnownHosts {
  /** What is known of a server, a revoked key included; undefined (or `null`) for an unknown one. */
  get(name: string): Promise<KnownHost | undefined>;
  /** Remembers a key unless one is known; resolves with what is known afterwards, which may be another one. */
  addIfAbsent(name: string, fingerprint: string): Promise<KnownHost>;
  /** Puts a key in the place of whatever is known: what a person decides, never a program. */
  replace(name: string, fingerprint: string, state?: KnownHost['state']): Promise<void>;
  /**
   * Forgets a server: the next connection is a first use again. Like `replace`, what a person
   * decides. Resolves with whether the server was known.
   */
  remove?(name: string): Promise<boolean>;
  /** Notes that a known key was seen today. Does nothing when it cannot: it must not fail a connection. */
  touch?(name: string, fingerprint: string): Promise<void>;
}

/**
 * Refuses a server that a store has something against.
 *
 * @param actual - fingerprint of the key that the server showed; left out, only a revocation is looked for.
 * @throws KeyMismatchError when the store knows another key.
 * @throws K4netError `K4NET_SERVER_AUTH` when what the store knows is revoked.
 */
export function checkKnownHost(known: KnownHost, actual: string = known.fingerprint): void {
  if (known.state === 'revoked') {
    const what = `the key ${known.fingerprint} of '${known.name}' is revoked, and no other is known`;
    throw new K4netError('K4NET_SERVER_AUTH', what);
  }
  if (known.fingerprint !== actual) throw new KeyMismatchError(known.fingerprint, actual);
}

/** @throws TypeError for anything but a state of a {@link KnownHost}. */
export function checkState(state: unknown): void {
  if (state === 'pinned' || state === 'revoked') return;
  const given = typeof state === 'string' ? JSON.stringify(state) : kindOf(state);
  throw new TypeError(`the state of a known key is 'pinned' or 'revoked', not ${given}`);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/**
 * A server that was first seen today.
 *
 * @throws TypeError for text that is no name, no fingerprint or no state.
 */
export function newHost(name: string, fingerprint: string, state: KnownHost['state'] = 'pinned'): KnownHost {
  checkState(state);
  const day = today();
  return {
    name: hostName(name),
    fingerprint: parseFingerprint(fingerprint),
    state,
    firstSeen: day,
    lastSeen: day,
  };
}

/** The entry with today's date, or undefined when there is nothing to be changed. */
function touched(known: KnownHost | undefined, fingerprint: string): KnownHost | undefined {
  const lastSeen = today();
  if (known?.fingerprint !== fingerprint || known.lastSeen === lastSeen) return undefined;
  return { ...known, lastSeen };
}

/** A store that forgets everything when the process ends. */
export function memoryKnownHosts(): Required<KnownHosts> {
  return new MemoryKnownHosts();
}

class MemoryKnownHosts implements Required<KnownHosts> {
  readonly #hosts = new Map<string, KnownHost>();

  get(name: string): Promise<KnownHost | undefined> {
    return settle(() => this.#hosts.get(hostName(name)));
  }

  addIfAbsent(name: string, fingerprint: string): Promise<KnownHost> {
    return settle(() => {
      const host = newHost(name, fingerprint);
      const known = this.#hosts.get(host.name) ?? host;
      this.#hosts.set(known.name, known);
      return known;
    });
  }

  replace(name: string, fingerprint: string, state?: KnownHost['state']): Promise<void> {
    return settle(() => {
      const host = newHost(name, fingerprint, state);
      this.#hosts.set(host.name, host);
    });
  }

  remove(name: string): Promise<boolean> {
    return settle(() => this.#hosts.delete(hostName(name)));
  }

  touch(name: string, fingerprint: string): Promise<void> {
    return settle(() => {
      const fresh = touched(this.#hosts.get(hostName(name)), parseFingerprint(fingerprint));
      if (fresh) this.#hosts.set(fresh.name, fresh);
    });
  }
}

/** Runs at once, so that nothing comes between a look and a change, and turns a throw into a rejection. */
function settle<T>(task: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(task());
  });
}

/**
 * The file that serves when nobody names one: `k4net/known_hosts` in the user's configuration folder, which is
 * `$XDG_CONFIG_HOME` or `~/.config` (on macOS too, where tools for the terminal keep theirs), `%APPDATA%` on Windows.
 */
export function defaultKnownHostsPath(): string {
  const need = 'the default known-hosts file';
  const paths = builtin('node:path', need);
  const onWindows = platform() === 'win32';
  const rules = onWindows ? paths.win32 : paths.posix;
  const folder = environment(onWindows ? 'APPDATA' : 'XDG_CONFIG_HOME');
  // A path that is not absolute counts as none, as the specification of the variable has it.
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
 * A store in a text file, one line a server: `name:port k4net1 sha256:... pinned|revoked first-seen last-seen`.
 * People may edit it. Any number of processes may use it at once.
 *
 * @param path - left out, the file in the user's configuration folder.
 */
export function fileKnownHosts(path: string = defaultKnownHostsPath()): Required<KnownHosts> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new TypeError('the path of a known-hosts file is a string that is not empty');
  }
  return new FileKnownHosts(path);
}

const maxFile = 1_048_576;

class FileKnownHosts implements Required<KnownHosts> {
  readonly #path: string;
  /** The last change that was asked for. In one process they wait for each other here, not at the lock. */
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
    // Without the lock first: a file that an administrator has filled need not be one that we can write.
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
      // Once a day at most, so that a connection does not cost a write.
      if (!touched(await this.get(wanted), print)) return;
      await this.#change((lines) => {
        const fresh = touched(lines.find(wanted), print);
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
 * All servers that a known-hosts file knows, with an error in the place of a line that is not
 * understood. Empty where there is no file.
 */
export async function listKnownHosts(path: string): Promise<(KnownHost | FileError)[]> {
  return (await readLines(path)).list();
}

/** @param name - the path as the caller wrote it, for errors. */
async function readLines(path: string, name: string = path): Promise<HostLines> {
  const file = await readSmallFile(path, maxFile);
  return new HostLines(name, file?.bytes ?? new Uint8Array());
}

/**
 * Changes a known-hosts file for a person, in one step: no other process changes it meanwhile.
 *
 * @param change - may run again when the lock was lost.
 * @throws FileError for a file with a line that is not understood, which is perhaps another file.
 */
export function editKnownHosts<T>(path: string, change: (lines: HostLines) => T): Promise<T> {
  return changeFile(path, (lines) => {
    lines.check();
    return change(lines);
  });
}

async function changeFile<T>(path: string, change: (lines: HostLines) => T): Promise<T> {
  const target = await withFileErrors(path, 'cannot be written', () => placeOf(path));
  for (;;) {
    const done = await withFileLock(target, async (held) => {
      const lines = await readLines(target, path);
      const value = change(lines);
      if (!lines.changed) return { value };
      const bytes = lines.toBytes();
      // What is over the limit could not be read again.
      if (bytes.length > maxFile) throw new FileError(path, `would grow over the limit of ${maxFile} bytes`);
      return (await replaceFile(target, bytes, 0o600, held)) ? { value } : undefined;
    });
    if (done) return done.value;
  }
}

/** The file itself where the path is a link to it, which a rename would replace. Makes the folder that is missing. */
async function placeOf(path: string): Promise<string> {
  const { mkdir, realpath } = files();
  const paths = builtin('node:path', 'a known-hosts file');
  const folder = paths.dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    return await realpath(path);
  } catch {
    // Not there yet. All who make it must agree on its lock, by whatever way they came to the folder.
    return paths.join(await realpath(folder), paths.basename(path));
  }
}
