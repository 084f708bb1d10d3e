import { randomBytes } from '../crypto/suite.js';
import { kindOf } from '../util/bytes.js';
import { quoteText } from '../util/escape.js';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** The length of the last two tokens of the end of a session: 65 bits that no peer can guess. */
const tokenLength = 11;
const idLength = 22;

/** The letter behind a token in the reply subject of a probe. */
export const probeLetter = 'p';

/** The queue group of the instances of a service. */
export const queueGroup = 'k4net';

/** Random letters and digits. */
export function randomToken(length: number = tokenLength): string {
  let token = '';
  while (token.length < length) {
    for (const byte of randomBytes(length)) {
      // A remainder of all 256 values would make some letters more likely.
      const letter = byte < 4 * letters.length ? letters[byte % letters.length] : undefined;
      if (letter !== undefined && token.length < length) token += letter;
    }
  }
  return token;
}

/** A new id of an instance. */
export function randomId(): string {
  return randomToken(idLength);
}

/** The subject to which clients send an `open` for any instance of a service. */
export function serviceSubject(name: string): string {
  return `k4net.${name}.one`;
}

/** The subject to which clients send an `open` for one instance. */
export function instanceSubject(name: string, id: string): string {
  return `k4net.${name}.id.${id}`;
}

const endPattern = /^[^\s.*>]+(?:\.[^\s.*>]+)*\.[A-Za-z0-9]{11}\.[A-Za-z0-9]{11}$/;
const longestSubject = 256;

/**
 * Whether a subject can be the end of a session. A peer chooses the subject to which this side
 * answers, so this side publishes to nothing else.
 */
export function isEnd(subject: string | undefined): subject is string {
  return subject !== undefined && matchesEnd(subject);
}

/** Whether a subject can be the end of a session, or the reply of a probe of one. */
export function isReply(subject: string | undefined): subject is string {
  return subject !== undefined && (matchesEnd(subject) || matchesEnd(subject.replace(/p$/, '')));
}

function matchesEnd(subject: string): boolean {
  return subject.length <= longestSubject && endPattern.test(subject);
}

/** The part of an end that all sessions of one connection to NATS share. */
export function hubOf(end: string): string {
  return end.slice(0, -1 - tokenLength);
}

/** The length of a name or an id. */
export const longestName = 128;

/** Whether a value can be the name of a service or an id: a part of a subject. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= longestName && /^[A-Za-z0-9_-]+$/.test(value);
}

/** @throws TypeError for a name of a service or an id that cannot be part of a subject. */
export function checkName(what: string, value: unknown): string {
  if (isName(value)) return value;
  const given = typeof value === 'string' ? quoteText(value) : kindOf(value);
  throw new TypeError(`${what} must be 1 to ${longestName} letters, digits, '_' or '-', not ${given}`);
}

/** @throws TypeError for a prefix that cannot begin a subject. */
export function checkPrefix(name: string, value: unknown): string {
  if (typeof value === 'string' && value.length <= 128 && /^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(value)) {
    return value;
  }
  const given = typeof value === 'string' ? quoteText(value) : kindOf(value);
  throw new TypeError(`${name} must be a subject without wildcards, such as _INBOX, not ${given}`);
}
