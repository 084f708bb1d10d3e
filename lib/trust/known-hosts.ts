import { KeyMismatchError, K4netError } from '../errors.js';
import { kindOf } from '../util/bytes.js';
import { parseFingerprint } from '../crypto/public-key.js';

/** A server in a {@link KnownHosts} store. */
export interface KnownHost {
  /**
   * `host:port` or another name of the server: in lower case, without a dot at the end of the host,
   * an IPv6 address in its short form.
   */
  readonly name: string;
  /** Fingerprint of the server's key: `sha256:` and 64 hexadecimal digits. */
  readonly fingerprint: string;
  /** `revoked`: the key is not accepted any more, and no other key is known. */
  readonly state: 'pinned' | 'revoked';
  /** The day of the first connection, as `2026-01-31`, in UTC. */
  readonly firstSeen: string;
  /** The day of the last connection, in the same form. */
  readonly lastSeen: string;
}

/**
 * A store of known hosts: the keys of servers, for trust on first use. Any object with these
 * methods will do.
 */
export interface KnownHosts {
  /** Returns the entry of a server, revoked or not; undefined (or `null`) for an unknown server. */
  get(name: string): Promise<KnownHost | undefined>;
  /**
   * Stores a key if the server is unknown. Resolves with the entry that is stored afterwards: its
   * key may be another.
   */
  addIfAbsent(name: string, fingerprint: string): Promise<KnownHost>;
  /** Replaces the entry of a server. The library never calls it: only a person decides that. */
  replace(name: string, fingerprint: string, state?: KnownHost['state']): Promise<void>;
  /**
   * Removes the entry of a server: the next connection is a first use again. The library never
   * calls it. Resolves with whether there was an entry.
   */
  remove?(name: string): Promise<boolean>;
  /**
   * Sets the last day of a known key to today. Does nothing if it cannot: it must not fail a
   * connection.
   */
  touch?(name: string, fingerprint: string): Promise<void>;
}

/**
 * Checks the key of a server against its entry in a store.
 *
 * @param actual - fingerprint of the key that the server showed. Without it, only a revoked entry
 * fails.
 * @throws KeyMismatchError if the store has another key.
 * @throws K4netError `K4NET_SERVER_AUTH` if the entry is revoked.
 */
export function checkKnownHost(known: KnownHost, actual: string = known.fingerprint): void {
  if (known.state === 'revoked') {
    const message = `the key ${known.fingerprint} of '${known.name}' is revoked, and no other is known`;
    throw new K4netError('K4NET_SERVER_AUTH', message);
  }
  if (known.fingerprint !== actual) throw new KeyMismatchError(known.fingerprint, actual);
}

/** @throws TypeError for a value that is not the state of a {@link KnownHost}. */
export function checkState(state: unknown): void {
  if (state === 'pinned' || state === 'revoked') return;
  const given = typeof state === 'string' ? JSON.stringify(state) : kindOf(state);
  throw new TypeError(`the state of a known host must be 'pinned' or 'revoked', not ${given}`);
}

/**
 * Makes an entry for a server that is seen today for the first time.
 *
 * @throws TypeError for an invalid name, fingerprint or state.
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

/** Returns the entry with today as its last day, or undefined if that changes nothing. */
export function touchedHost(known: KnownHost | undefined, fingerprint: string): KnownHost | undefined {
  const lastSeen = today();
  if (known?.fingerprint !== fingerprint || known.lastSeen === lastSeen) return undefined;
  return { ...known, lastSeen };
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

const maxNameLength = 512;

/**
 * Checks and normalizes a name. Stores compare normalized names: if another spelling missed the
 * entry, a known server would count as a new one.
 *
 * @throws TypeError for an invalid name.
 */
export function hostName(name: string): string {
  if (typeof name !== 'string')
    throw new TypeError(`the name of a server must be a string, not ${kindOf(name)}`);
  // A line of the file that begins with '#' is a comment.
  if (name.length <= maxNameLength && /^[!-~]+$/.test(name) && !name.startsWith('#'))
    return normalizeHostName(name);
  throw new TypeError(
    `the name of a server must be 1 to ${maxNameLength} visible ASCII characters, no '#' first, not ${JSON.stringify(name.slice(0, 80))}`,
  );
}

/**
 * Normalizes a name: lower case, no dot at the end of a host, no zeros before a port, and an IPv6
 * address in the short form of RFC 5952. A normalized name stays as it is.
 */
export function normalizeHostName(name: string): string {
  const lower = name.toLowerCase();
  const inBrackets = /^\[([^\]]+)\](.*)$/.exec(lower);
  if (inBrackets) {
    return `[${shortIpv6(inBrackets[1] ?? '')}]${(inBrackets[2] ?? '').replace(/^:0+(?=\d+$)/, ':')}`;
  }
  if (/:.*:/.test(lower)) return shortIpv6(lower);
  // Without a port after the colon it is not a host, but for example `unix:` and a path.
  return lower.replace(/^([^:]*[^:.])\.+(:\d+)?$/, '$1$2').replace(/^(?!unix:)([^:]+:)0+(?=\d+$)/, '$1');
}

/** The short form of an IPv6 address, with its zone. Any other text stays as it is. */
function shortIpv6(text: string): string {
  const [, address = '', zone = ''] = /^([^%]*)(%.*)?$/.exec(text) ?? [];
  if (!/^[0-9a-f:.]+$/.test(address)) return text;
  try {
    return new URL(`http://[${address}]`).hostname.slice(1, -1) + zone;
  } catch {
    return text;
  }
}

/** Returns a store of known hosts in memory, which ends with the process. */
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
      const fresh = touchedHost(this.#hosts.get(hostName(name)), parseFingerprint(fingerprint));
      if (fresh) this.#hosts.set(fresh.name, fresh);
    });
  }
}

/** Runs a task now, so that it is atomic, and turns an exception into a rejection. */
function settle<T>(task: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(task());
  });
}
