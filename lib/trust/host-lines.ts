import type { Bytes } from '../util/bytes.js';
import { FileError } from '../errors.js';
import { normalizeHostName, type KnownHost } from './known-hosts.js';

/** The third word of every line: the kind of key. */
const kind = 'k4net1';
const fingerprintForm = /^sha256:[0-9a-f]{64}$/i;
const utf8Mark = /^\xef\xbb\xbf/;
/** The begin of a line: a name in visible ASCII, a comment, or nothing. */
const beginning = /^(?:\xef\xbb\xbf)?[ \t]*(?:#|[\r\n]|$|[!-~]+(?:[ \t\r\n]|$))/;

/**
 * The lines of a known-hosts file. Comments, blank lines and invalid lines stay as they are, byte
 * for byte.
 */
export class HostLines {
  readonly #path: string;
  /** With line ends, and one character for each byte, so that unknown encodings survive. */
  readonly #lines: string[];
  #changed = false;

  /**
   * @throws FileError for bytes that are not text, such as UTF-16, and for a line with an invisible
   * or non-ASCII character before, in or after its name: a lookup would miss that line, and a known
   * server would count as a new one.
   */
  constructor(path: string, bytes: Bytes) {
    if (bytes.includes(0)) throw new FileError(path, 'is not text in ASCII or UTF-8');
    this.#path = path;
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    this.#lines = text === '' ? [] : text.split(/(?<=\n)|(?<=\r)(?!\n)/);
    const odd = this.#lines.findIndex((line) => !beginning.test(line));
    if (odd < 0) return;
    throw new FileError(path, `has an invisible or non-ASCII character in the name of line ${odd + 1}`);
  }

  /** Whether the file has to be written. */
  get changed(): boolean {
    return this.#changed;
  }

  /**
   * Returns the server of a name.
   *
   * @throws FileError for an invalid line with this name, and for a second line with it. If such a
   * line were ignored, a known server would count as a new one, or a revoked key as a valid one.
   */
  find(name: string): KnownHost | undefined {
    const index = this.#indexOf(name);
    return index === undefined ? undefined : this.#read(index);
  }

  /**
   * Returns all servers in the order of their lines, with an error in place of a line for which
   * `find` would throw.
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
   * Checks all lines, before a command changes one of them.
   *
   * @throws FileError for a line that is neither blank, a comment nor a server.
   */
  check(): void {
    for (const [index, line] of this.#lines.entries()) {
      const [word] = words(line);
      if (word === undefined || word.startsWith('#')) continue;
      if (hostOf(line)) continue;
      throw new FileError(this.#path, `is not a known-hosts file: line ${index + 1} is invalid`);
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

  /** Replaces the line of a server, or adds one at the end. */
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
    throw new FileError(this.#path, `has an invalid line for '${name}': line ${index + 1}`);
  }
}

/** The server of a line; undefined for an invalid line. */
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
  // Some engines read the 31st of February as a day in March.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
