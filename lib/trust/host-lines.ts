import type { Bytes } from '../util/bytes.js';
import { FileError } from '../errors.js';
import { normalizeHostName } from './host-name.js';

/** What a store knows of a server. */
export interface KnownHost {
  /**
   * `host:port` or another name that the client gave the server: in lower case, without a dot at
   * the end of the host, an IPv6 address in its short form.
   */
  readonly name: string;
  /** Fingerprint of the server's key: `sha256:` and 64 hexadecimal digits. */
  readonly fingerprint: string;
  /** `revoked`: the key must not be accepted any more, and no other one is known. */
  readonly state: 'pinned' | 'revoked';
  /** The day the key was first seen, as `2026-01-31`, in UTC. */
  readonly firstSeen: string;
  /** The day the key was last seen. */
  readonly lastSeen: string;
}

/** The third word of every line: which kind of key it is about. */
const kind = 'k4net1';
const fingerprintForm = /^sha256:[0-9a-f]{64}$/i;
const utf8Mark = /^\xef\xbb\xbf/;
/** How every line begins: with a name of visible ASCII, with a comment, or with nothing. */
const beginning = /^(?:\xef\xbb\xbf)?[ \t]*(?:#|[\r\n]|$|[!-~]+(?:[ \t\r\n]|$))/;

/** The lines of a known-hosts file. Those that it does not understand, comments and blanks it keeps, byte for byte. */
export class HostLines {
  readonly #path: string;
  /** Each with the end of the line, and with one character a byte, so that no encoding can be lost. */
  readonly #lines: string[];
  #changed = false;

  /**
   * @throws FileError for bytes that are not text, such as UTF-16, and for a line whose name has an
   * invisible or non-ASCII character before, in or behind it: what the file knows would be unknown.
   */
  constructor(path: string, bytes: Bytes) {
    if (bytes.includes(0)) throw new FileError(path, 'is no text in ASCII or UTF-8');
    this.#path = path;
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    this.#lines = text === '' ? [] : text.split(/(?<=\n)|(?<=\r)(?!\n)/);
    const odd = this.#lines.findIndex((line) => !beginning.test(line));
    if (odd < 0) return;
    throw new FileError(path, `has an invisible or non-ASCII character in the name of line ${odd + 1}`);
  }

  /** Whether there is something to be written. */
  get changed(): boolean {
    return this.#changed;
  }

  /**
   * The line of a name.
   *
   * @throws FileError for a line that begins with the name and goes on in an unknown way, and for a second one: to
   * pass over any of them would make a known server a new one, or a revoked key a good one.
   */
  find(name: string): KnownHost | undefined {
    const index = this.#indexOf(name);
    return index === undefined ? undefined : this.#read(index);
  }

  /**
   * All servers in the order of their lines, with an error in the place of a line that `find` would
   * refuse.
   */
  list(): (KnownHost | FileError)[] {
    const found: (KnownHost | FileError)[] = [];
    const seen = new Map<string, number>();
    for (const [index, line] of this.#lines.entries()) {
      const [word] = words(line);
      if (word === undefined || word.startsWith('#')) continue;
      const name = normalizeHostName(word);
      const first = seen.get(name);
      seen.set(name, first ?? index);
      try {
        if (first !== undefined) throw this.#twice(name, first, index);
        found.push(this.#read(index));
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        found.push(error);
      }
    }
    return found;
  }

  /**
   * Checks all lines, before a person's command changes any of them.
   *
   * @throws FileError for a line that is neither blank, a comment nor a server's.
   */
  check(): void {
    for (const [index, line] of this.#lines.entries()) {
      const [word] = words(line);
      if (word === undefined || word.startsWith('#')) continue;
      if (hostOf(line)) continue;
      throw new FileError(this.#path, `is not a known-hosts file: line ${index + 1} is not understood`);
    }
  }

  /**
   * Removes the line of a name.
   *
   * @returns whether there was one.
   */
  delete(name: string): boolean {
    const index = this.#indexOf(name);
    if (index === undefined) return false;
    this.#lines.splice(index, 1);
    this.#changed = true;
    return true;
  }

  /** Puts a line in the place of the one of that name, or at the end. */
  set(host: KnownHost): void {
    const { name, fingerprint, state, firstSeen, lastSeen } = host;
    const line = [name, kind, fingerprint, state, firstSeen, lastSeen].join(' ');
    const index = this.#indexOf(name);
    this.#changed = true;
    if (index === undefined) {
      const last = this.#lines.length - 1;
      const tail = this.#lines[last];
      if (tail !== undefined && !/[\r\n]$/.test(tail)) this.#lines[last] = `${tail}\n`;
      this.#lines.push(`${line}\n`);
    } else {
      const old = this.#lines[index] ?? '';
      this.#lines[index] = (utf8Mark.exec(old)?.[0] ?? '') + line + (/[\r\n]+$/.exec(old)?.[0] ?? '\n');
    }
  }

  toBytes(): Bytes {
    return Uint8Array.from(this.#lines.join(''), (char) => char.charCodeAt(0));
  }

  #indexOf(name: string): number | undefined {
    let found: number | undefined;
    for (const [index, line] of this.#lines.entries()) {
      const [word] = words(line);
      if (word === undefined || normalizeHostName(word) !== name) continue;
      if (found !== undefined) throw this.#twice(name, found, index);
      found = index;
    }
    return found;
  }

  #twice(name: string, first: number, second: number): FileError {
    return new FileError(this.#path, `has two lines for '${name}': ${first + 1} and ${second + 1}`);
  }

  #read(index: number): KnownHost {
    const line = this.#lines[index] ?? '';
    const host = hostOf(line);
    if (host) return host;
    const [name = ''] = words(line);
    throw new FileError(this.#path, `has a line for '${name}' that is not understood: line ${index + 1}`);
  }
}

/** The server of a line; undefined for a line that is not understood. */
function hostOf(line: string): KnownHost | undefined {
  const [name = '', type, fingerprint = '', state, firstSeen = '', lastSeen = '', ...rest] = words(line);
  if (
    type !== kind ||
    !fingerprintForm.test(fingerprint) ||
    (state !== 'pinned' && state !== 'revoked') ||
    !isDay(firstSeen) ||
    !isDay(lastSeen) ||
    rest.length > 0
  ) {
    return undefined;
  }
  return {
    name: normalizeHostName(name),
    fingerprint: fingerprint.toLowerCase(),
    state,
    firstSeen,
    lastSeen,
  };
}

function words(line: string): string[] {
  return line
    .replace(utf8Mark, '')
    .split(/[ \t\r\n]+/)
    .filter((word) => word !== '');
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(text);
  // Some engines take the 31st of February for a day in March.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
