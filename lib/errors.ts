import type { K4netErrorCode } from './error-codes.js';
import { escapeText, quoteText } from './util/escape.js';

export type { K4netErrorCode } from './error-codes.js';

/** The codes whose errors always have their own class. `K4NET_MALFORMED` has one only sometimes. */
interface ErrorClasses {
  readonly K4NET_TOO_LARGE: TooLargeError;
  readonly K4NET_TIMEOUT: TimeoutError;
  readonly K4NET_END_OF_DATA: EndOfDataError;
  readonly K4NET_KEY_MISMATCH: KeyMismatchError;
  readonly K4NET_PEER_ALERT: PeerAlertError;
  readonly K4NET_FILE: FileError;
  readonly K4NET_REMOTE: RemoteError;
  readonly K4NET_DECODE: DecodeError;
}

/** The type of the errors with this code: the class that `docs/errors.md` lists for it. */
export type K4netErrorOf<Code extends K4netErrorCode> = Code extends K4netErrorCode
  ? (Code extends keyof ErrorClasses ? ErrorClasses[Code] : K4netError) & { readonly code: Code }
  : never;

const brand: unique symbol = Symbol.for('k4net.error') as never;

/** Options of every {@link K4netError}. */
export interface K4netErrorOptions {
  /** The cause: a system error, a rejection, another {@link K4netError}. */
  readonly cause?: unknown;
}

/**
 * The base class of every error that k4net makes itself. Branch on `code`, never on the message.
 *
 * Wrong arguments are a `TypeError` or a `RangeError` instead, as in the language itself.
 *
 * @example
 * ```ts
 * import { K4netError, LockedSocket, memoryPair } from 'k4net';
 *
 * const socket = new LockedSocket(memoryPair()[0]);
 * await socket.recv({ timeout: 50 }).catch((error: unknown) => {
 *   if (!K4netError.is(error, 'K4NET_TIMEOUT')) throw error;
 *   console.log(`no message in ${error.timeout} ms`);
 * });
 * ```
 */
export class K4netError extends Error {
  /** The stable code of the error. */
  readonly code: K4netErrorCode;

  constructor(code: K4netErrorCode, message: string, options?: K4netErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  override get name(): string {
    return 'K4netError';
  }

  /**
   * Whether a value is a k4net error, also one from another copy of the package.
   *
   * @param code - accepts only errors with this code, and narrows the type to their class.
   */
  static is<Code extends K4netErrorCode>(value: unknown, code: Code): value is K4netErrorOf<Code>;
  static is(value: unknown, code?: K4netErrorCode): value is K4netError;
  static is(value: unknown, code?: K4netErrorCode): value is K4netError {
    return (
      value instanceof Error &&
      brand in value &&
      'code' in value &&
      (code === undefined || value.code === code)
    );
  }
}

/** A message or a unit of the protocol is longer than a limit (`K4NET_TOO_LARGE`). */
export class TooLargeError extends K4netError {
  /** The length in bytes, as the sender announced it. */
  readonly size: number;
  /** The limit in bytes. */
  readonly limit: number;

  /** @param limitName - the option that sets the limit. */
  constructor(size: number, limit: number, what: string = 'a message', limitName: string = 'maxSize') {
    super('K4NET_TOO_LARGE', `${what} of ${size} bytes exceeds ${limitName} (${limit} bytes)`);
    this.size = size;
    this.limit = limit;
  }
}

/** A read goes past the end of a buffer (`K4NET_END_OF_DATA`). The position does not move. */
export class EndOfDataError extends K4netError {
  /** Where the read began, in bytes from the start. */
  readonly offset: number;
  /** Number of bytes that the read needs. */
  readonly wanted: number;
  /** Number of bytes from the offset to the end. */
  readonly available: number;

  constructor(offset: number, wanted: number, available: number) {
    super('K4NET_END_OF_DATA', `cannot read ${wanted} bytes at offset ${offset}: only ${available} are left`);
    this.offset = offset;
    this.wanted = wanted;
    this.available = available;
  }
}

/** Bytes are invalid in their format, such as text that is not UTF-8 (`K4NET_MALFORMED`). */
export class MalformedError extends K4netError {
  /** The invalid bytes. */
  readonly data: Uint8Array;

  constructor(message: string, data: Uint8Array, options?: K4netErrorOptions) {
    super('K4NET_MALFORMED', message, options);
    // Not enumerable, so that a print of the error does not contain data of the peer.
    this.data = data;
    Object.defineProperty(this, 'data', { enumerable: false });
  }
}

/** An operation did not finish within its timeout (`K4NET_TIMEOUT`). */
export class TimeoutError extends K4netError {
  /** The timeout in milliseconds. */
  readonly timeout: number;

  /** @param what - a sentence that "within 50 ms (optionName)" can follow: "no message came". */
  constructor(what: string, timeout: number, options?: K4netErrorOptions, optionName: string = 'timeout') {
    const time = timeout === 0 ? `at once (${optionName}: 0)` : `within ${timeout} ms (${optionName})`;
    super('K4NET_TIMEOUT', `${what} ${time}`, options);
    this.timeout = timeout;
  }
}

/** The server's key differs from the expected key (`K4NET_KEY_MISMATCH`). */
export class KeyMismatchError extends K4netError {
  /** Fingerprint of the expected key. */
  readonly expected: string;
  /** Fingerprint of the server's key. */
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super('K4NET_KEY_MISMATCH', `the server has the key ${actual}, but the expected key is ${expected}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** The content of an alert of the peer: see "Errors" in docs/protocol.md. */
export interface PeerAlert {
  /** The number of the alert, as the peer sent it. */
  readonly alert: number;
  /** The number that the peer's application set; 0 if it set none. */
  readonly app: number;
  /**
   * The peer's text as the peer sent it: for people, not for programs. It may contain any
   * character. The `message` of the error contains it escaped.
   */
  readonly text: string;
  /** Whether the alert came inside a record. An attacker can forge an alert in the clear. */
  readonly authenticated: boolean;
}

/** The peer ended the session with an alert (`K4NET_PEER_ALERT`). */
export class PeerAlertError extends K4netError implements PeerAlert {
  readonly alert: number;
  /** The name of the number, such as `busy`; `alert 77` for an unknown number. */
  readonly reason: string;
  readonly app: number;
  readonly text: string;
  readonly authenticated: boolean;

  constructor(reason: string, { alert, app, text, authenticated }: PeerAlert) {
    const source = authenticated
      ? 'the peer ended the session'
      : 'the handshake was refused, perhaps not by the peer (the alert is not authenticated)';
    const said = text === '' || text === reason ? '' : ` (${quoteText(text)})`;
    super('K4NET_PEER_ALERT', `${source}: ${reason}${said}`);
    this.alert = alert;
    this.reason = reason;
    this.app = app;
    this.text = text;
    this.authenticated = authenticated;
  }
}

/**
 * A key file cannot be read or written, or has invalid content (`K4NET_FILE`). The error never
 * contains content of the file.
 */
export class FileError extends K4netError {
  /** The path of the file. */
  readonly path: string;

  constructor(path: string, what: string, cause?: unknown) {
    super('K4NET_FILE', `'${path}' ${what}`, { cause });
    this.path = path;
  }
}

/** The callback of a call failed at the peer (`K4NET_REMOTE`). */
export class RemoteError extends K4netError {
  /** The name that was called. */
  readonly callback: string;
  /** The `code` of the thrown value, such as `ENOENT`; empty if it has none. */
  readonly remoteCode: string;
  /**
   * The message of the thrown value as the peer sent it: for people, not for programs. It may
   * contain any character. The `message` of the error contains it escaped.
   */
  readonly remoteMessage: string;
  /**
   * The data of the `CallError` that the callback has thrown, from the peer like the message: a
   * `Uint8Array`, or the value that the `errors` of the request declare. Undefined if there is
   * none. `isError` of a `TypedQueue` knows its type.
   */
  readonly data: unknown;

  constructor(callback: string, remoteCode: string, remoteMessage: string, data?: unknown) {
    const code = remoteCode === '' ? '' : ` (${escapeText(remoteCode)})`;
    super('K4NET_REMOTE', `'${callback}' failed at the peer: ${escapeText(remoteMessage)}${code}`);
    this.callback = callback;
    this.remoteCode = remoteCode;
    this.remoteMessage = remoteMessage;
    // Not enumerable, so that a print of the error does not contain data of the peer.
    this.data = data;
    Object.defineProperty(this, 'data', { enumerable: false });
  }
}

/** A problem that a schema reports, in the form of Standard Schema. */
export interface SchemaIssue {
  /** The text of the schema library. */
  readonly message: string;
  /** The keys from the payload to the wrong part. Each is a key or an object with a `key`. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The place in a payload that does not decode, and the cause. */
export interface DecodeErrorOptions extends K4netErrorOptions {
  readonly messageName: string | undefined;
  readonly offset: number;
  readonly path: string;
  readonly issues?: readonly SchemaIssue[];
}

/**
 * A payload does not match its codec or schema (`K4NET_DECODE`). `cause` is the underlying error.
 * The message quotes no text of the payload, only numbers such as an invalid length or flag.
 */
export class DecodeError extends K4netError {
  /** The name of the message or request; undefined for bytes without a name. */
  readonly messageName: string | undefined;
  /** The offset of the part that does not decode, in bytes; for JSON, the start of its text. */
  readonly offset: number;
  /** That part, such as `items[3].who`; empty for the whole payload. JSON keys are the peer's. */
  readonly path: string;
  /** The problems that the schema reports; empty for a codec without a schema. */
  readonly issues: readonly SchemaIssue[];

  constructor(what: string, why: string, { messageName, offset, path, issues, cause }: DecodeErrorOptions) {
    // The keys in the path of a JSON payload come from the peer, so the message omits that path.
    const inside = path === '' || issues !== undefined ? '' : ` (${escapeText(path)})`;
    super('K4NET_DECODE', `${what} does not decode at offset ${offset}${inside}: ${why}`, { cause });
    this.messageName = messageName;
    this.offset = offset;
    this.path = path;
    // Not enumerable: some schemas quote data of the peer, which a print must not show.
    this.issues = issues ?? [];
    Object.defineProperty(this, 'issues', { enumerable: false });
  }
}

/** The socket is closed, in order (`K4NET_CLOSED`). */
export function closedError(message: string): K4netError {
  return new K4netError('K4NET_CLOSED', message);
}

/** Makes a k4net error from any thrown value. A k4net error stays unchanged. */
export function toK4netError(thrown: unknown, code: K4netErrorCode, what: string): K4netError {
  return K4netError.is(thrown) ? thrown : wrapError(thrown, code, what);
}

/** A k4net error whose cause is any thrown value, also a k4net error. */
export function wrapError(thrown: unknown, code: K4netErrorCode, what: string): K4netError {
  return new K4netError(code, `${what}: ${describe(thrown)}`, { cause: thrown });
}

/** The code of a system error, such as `ENOENT`; an empty string for anything else. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = systemCode(thrown);
  return thrown.message.includes(code) ? thrown.message : `${code} ${thrown.message}`.trimEnd();
}
