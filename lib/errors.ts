import { escapeText, quoteText } from './util/escape.js';

/**
 * The stable codes of errors. A code never changes its meaning; new codes may be added.
 * `docs/errors.md` has a line on each.
 */
export type K4netErrorCode =
  | 'K4NET_CLOSED'
  | 'K4NET_TRUNCATED'
  | 'K4NET_TOO_LARGE'
  | 'K4NET_MALFORMED'
  | 'K4NET_TIMEOUT'
  | 'K4NET_CONNECTION'
  | 'K4NET_ABORTED'
  | 'K4NET_CONNECT'
  | 'K4NET_LISTEN'
  | 'K4NET_BUSY'
  | 'K4NET_STATE'
  | 'K4NET_END_OF_DATA'
  | 'K4NET_UNSUPPORTED'
  | 'K4NET_INTERNAL'
  | 'K4NET_UNEXPECTED'
  | 'K4NET_DECRYPT'
  | 'K4NET_UNKNOWN_SERVER_KEY'
  | 'K4NET_HANDSHAKE_FAILED'
  | 'K4NET_CLIENT_KEY_REQUIRED'
  | 'K4NET_CLIENT_KEY_REFUSED'
  | 'K4NET_NOT_K4NET'
  | 'K4NET_ENCRYPTED_PEER'
  | 'K4NET_LEGACY_PEER'
  | 'K4NET_APPLICATION'
  | 'K4NET_SERVER_AUTH'
  | 'K4NET_KEY_MISMATCH'
  | 'K4NET_PEER_CLOSED'
  | 'K4NET_PEER_ALERT'
  | 'K4NET_FILE'
  | 'K4NET_STORE'
  | 'K4NET_NO_CALLBACK'
  | 'K4NET_REMOTE'
  | 'K4NET_DECODE';

/**
 * The codes whose errors always have a class of their own. `K4NET_MALFORMED` is not among them:
 * only where there are bytes to show is it a {@link MalformedError}.
 */
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

/** The error that has this code: the class that `docs/errors.md` names for it. */
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
 */
export class K4netError extends Error {
  /** The stable word for what went wrong. */
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
   * @param code - asks for an error of this code, and narrows the type to its class.
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

/** A message, or a unit of the protocol, that is longer than a limit (`K4NET_TOO_LARGE`). */
export class TooLargeError extends K4netError {
  /** Its length in bytes, as its sender announced it. */
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

/** A read past the end of a buffer (`K4NET_END_OF_DATA`). Nothing was consumed. */
export class EndOfDataError extends K4netError {
  /** Where the read began, in bytes from the start. */
  readonly offset: number;
  /** How many bytes the read wanted. */
  readonly wanted: number;
  /** How many bytes there were. */
  readonly available: number;

  constructor(offset: number, wanted: number, available: number) {
    super('K4NET_END_OF_DATA', `cannot read ${wanted} bytes at offset ${offset}: only ${available} are left`);
    this.offset = offset;
    this.wanted = wanted;
    this.available = available;
  }
}

/** Bytes that do not mean what they should, such as text that is not UTF-8 (`K4NET_MALFORMED`). */
export class MalformedError extends K4netError {
  /** The bytes in question. */
  readonly data: Uint8Array;

  constructor(message: string, data: Uint8Array, options?: K4netErrorOptions) {
    super('K4NET_MALFORMED', message, options);
    // Not enumerable, so that printing the error does not print what a peer sent.
    this.data = data;
    Object.defineProperty(this, 'data', { enumerable: false });
  }
}

/** Something did not happen in time (`K4NET_TIMEOUT`). */
export class TimeoutError extends K4netError {
  /** The time that had been given, in milliseconds. */
  readonly timeout: number;

  /** @param what - what was not done, as a sentence that "within 50 ms" can follow. */
  constructor(what: string, timeout: number, options?: K4netErrorOptions) {
    const time = timeout === 0 ? 'at once (timeout: 0)' : `within ${timeout} ms`;
    super('K4NET_TIMEOUT', `${what} ${time}`, options);
    this.timeout = timeout;
  }
}

/** The server showed another key than the one that was expected of it (`K4NET_KEY_MISMATCH`). */
export class KeyMismatchError extends K4netError {
  /** Fingerprint of the key that was expected. */
  readonly expected: string;
  /** Fingerprint of the key that the server showed. */
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
  /** The number that the peer's application gave, 0 where it gave none. */
  readonly app: number;
  /**
   * The peer's text as it was sent: for people, not for programs. It may hold any character; in the
   * `message` of the error it is escaped.
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
 * A key file that cannot be read or written, or has invalid content (`K4NET_FILE`). The error never
 * contains content of the file.
 */
export class FileError extends K4netError {
  /** The file in question. */
  readonly path: string;

  constructor(path: string, what: string, cause?: unknown) {
    super('K4NET_FILE', `'${path}' ${what}`, { cause });
    this.path = path;
  }
}

/** The callback that a call named has failed at the other end (`K4NET_REMOTE`). */
export class RemoteError extends K4netError {
  /** The name that was called. */
  readonly callback: string;
  /** The `code` of the thrown value, such as `ENOENT`; empty if it has none. */
  readonly remoteCode: string;
  /**
   * The message of the thrown value as the peer sent it: for people, not for programs. It may hold
   * any character; in `message` it is escaped.
   */
  readonly remoteMessage: string;

  constructor(callback: string, remoteCode: string, remoteMessage: string) {
    const code = remoteCode === '' ? '' : ` (${escapeText(remoteCode)})`;
    super('K4NET_REMOTE', `'${callback}' failed at the peer: ${escapeText(remoteMessage)}${code}`);
    this.callback = callback;
    this.remoteCode = remoteCode;
    this.remoteMessage = remoteMessage;
  }
}

/** A problem that a schema reports, in the form of the Standard Schema. */
export interface SchemaIssue {
  /** In the words of the schema's library. */
  readonly message: string;
  /** The keys that lead to the part in question, or objects that hold one each. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Where a payload did not decode, and what was behind it. */
export interface DecodeErrorOptions extends K4netErrorOptions {
  readonly messageName: string | undefined;
  readonly offset: number;
  readonly path: string;
  readonly issues?: readonly SchemaIssue[];
}

/**
 * A payload that does not match its codec or schema (`K4NET_DECODE`). `cause` is the error behind
 * it, if there is one. The message never contains content of the payload.
 */
export class DecodeError extends K4netError {
  /** The name of the message or request; undefined for bytes without a name. */
  readonly messageName: string | undefined;
  /** The offset of the part that does not decode, in bytes; 0 for JSON. */
  readonly offset: number;
  /** That part, such as `items[3].who`; empty for the whole payload. JSON keys are the peer's. */
  readonly path: string;
  /** The problems that the schema reports; empty for a codec without a schema. */
  readonly issues: readonly SchemaIssue[];

  constructor(what: string, why: string, { messageName, offset, path, issues, cause }: DecodeErrorOptions) {
    // Of JSON the path is made of what the peer chose.
    const inside = path === '' || issues !== undefined ? '' : ` (${escapeText(path)})`;
    super('K4NET_DECODE', `${what} does not decode at offset ${offset}${inside}: ${why}`, { cause });
    this.messageName = messageName;
    this.offset = offset;
    this.path = path;
    // Not enumerable: some schemas quote what the peer sent, and printing must not show it.
    this.issues = issues ?? [];
    Object.defineProperty(this, 'issues', { enumerable: false });
  }
}

/** The socket has come to its end, in good order (`K4NET_CLOSED`). */
export function closedError(message: string): K4netError {
  return new K4netError('K4NET_CLOSED', message);
}

/** A k4net error from any thrown value: a k4net error as it is, any other value as the cause. */
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
  if (thrown.message.includes(code)) return thrown.message;
  return thrown.message === '' ? code : `${code} ${thrown.message}`;
}
