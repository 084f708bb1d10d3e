import { FileError } from '../errors.js';
import { type Bytes, kindOf } from '../bytes.js';

/** What a store knows of a server. */
export interface KnownHost {
  /** `host:port` or another name that the client gave the server, in lower case. */
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
const longestName = 512;
const fingerprintForm = /^sha256:[0-9a-f]{64}$/i;
const utf8Mark = /^\xef\xbb\xbf/;

/**
 * A name in the one form under which it is kept. Case does not count, because it does not in the names of hosts: a
 * line that was missed for its case would make a known server a new one.
 */
export function hostName(name: string): string {
  if (typeof name !== 'string') throw new TypeError(`the name of a server is a string, not ${kindOf(name)}`);
  // A line that begins with '#' is a comment.
  if (name.length <= longestName && /^[!-~]+$/.test(name) && !name.startsWith('#')) return name.toLowerCase();
  throw new TypeError(
    `the name of a server is 1 to ${longestName} visible ASCII characters, no '#' first, not ${JSON.stringify(name.slice(0, 80))}`,
  );
}

/** The lines of a known-hosts file. Those that it does not understand, comments and blanks it keeps, byte for byte. */
export class HostLines {
  readonly #path: string;
  /** Each with the end of the line, and with one character a byte, so that no encoding can be lost. */
  readonly #lines: string[];
  #changed = false;

  /** @throws FileError for what is no text, UTF-16 for one: all that it knows would be unknown. */
  constructor(path: string, bytes: Bytes) {
    if (bytes.includes(0)) throw new FileError(path, 'is no text in ASCII or UTF-8');
    this.#path = path;
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    this.#lines = text === '' ? [] : text.split(/(?<=\n)|(?<=\r)(?!\n)/);
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
      if (words(line)[0]?.toLowerCase() !== name) continue;
      if (found !== undefined) {
        throw new FileError(this.#path, `has two lines for '${name}': ${found + 1} and ${index + 1}`);
      }
      found = index;
    }
    return found;
  }

  #read(index: number): KnownHost {
    const [name = '', type, fingerprint = '', state, firstSeen = '', lastSeen = '', ...rest] = words(
      this.#lines[index] ?? '',
    );
    if (
      type !== kind ||
      !fingerprintForm.test(fingerprint) ||
      (state !== 'pinned' && state !== 'revoked') ||
      !isDay(firstSeen) ||
      !isDay(lastSeen) ||
      rest.length > 0
    ) {
      throw new FileError(this.#path, `has a line for '${name}' that is not understood: line ${index + 1}`);
    }
    return {
      name: name.toLowerCase(),
      fingerprint: fingerprint.toLowerCase(),
      state,
      firstSeen,
      lastSeen,
    };
  }
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
