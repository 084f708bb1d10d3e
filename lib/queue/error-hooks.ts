import type { K4netErrorCode } from '../error-codes.js';
import { K4netError, type MalformedError } from '../errors.js';
import { emitWarning } from '../platform/runtime.js';
import { escapeText } from '../util/escape.js';
import { isPromiseLike } from '../util/wait.js';
import { WarnOnce } from '../util/warn-once.js';
import type { QueueDepth } from './queue-stats.js';
import type { ErrorHandler, QueueErrorInfo } from './types.js';

type OnError = ErrorHandler | undefined;

/** Names of failed callbacks and hooks of all sockets of the process. */
const failures = new WarnOnce();
/** A peer can send any number of names, so only the first 16 of a process cause a warning. */
const unmatchedNames = new WarnOnce(16);
const refusedNames = new WarnOnce(16);

/** The error reports and the debug log of one queue socket. */
export class ErrorHooks {
  /** Writes a line for each action; undefined without `debug`. */
  readonly log: ((line: string) => void) | undefined;
  /** Writes a line for each problem with the peer; undefined without `debug`. */
  readonly trace: ((line: string) => void) | undefined;
  readonly #onError: OnError;
  readonly #socket: { readonly remoteAddress: string };

  /** @param socket - warnings and traces contain its address. */
  constructor(
    onError: OnError,
    log: ((line: string) => void) | undefined,
    socket: { readonly remoteAddress: string },
  ) {
    this.#onError = onError;
    this.#socket = socket;
    this.log = log;
    this.trace =
      log &&
      ((line) => {
        // The line may contain text of the peer.
        log(`${escapeText(line)} (peer ${socket.remoteAddress || 'without an address'})`);
      });
  }

  /** Reports an error to `onError`, or else as a process warning. Never throws. */
  report(error: unknown, name: string, kind: QueueErrorInfo['kind']): void {
    reportError(this.#onError, error, { name, kind });
  }

  reportMalformed(error: MalformedError): void {
    this.trace?.(`Dropping a control message: ${error.message}`);
    this.report(error, '', 'control');
  }

  /** Calls a function of the options. Reports its error under its name. Never throws. */
  run(hook: () => unknown, name: string): void {
    callHook(hook, name, this.#onError);
  }

  /** Traces a dropped message whose name has no callback, and reports it if `report` is true. */
  unmatched(name: string, report: boolean): void {
    this.trace?.(`Dropping a message for ${name}, which has no callback`);
    if (report)
      this.#reportDropped(name, 'K4NET_NO_CALLBACK', 'no callback for', unmatchedNames, 'unknown names');
  }

  /** Traces a message that `authorizeCall` has refused, and reports it if `report` is true. */
  refused(name: string, report: boolean): void {
    this.trace?.(`Dropping a message for ${name}, which authorizeCall refuses`);
    if (report)
      this.#reportDropped(name, 'K4NET_FORBIDDEN', 'authorizeCall refuses', refusedNames, 'refused names');
  }

  /** Reports a dropped message. Creates the error only if it is reported. */
  #reportDropped(name: string, code: K4netErrorCode, why: string, names: WarnOnce, which: string): void {
    if (!this.#onError && !names.isNew(name)) return;
    const { remoteAddress } = this.#socket;
    const where = remoteAddress === '' ? '' : ` (peer ${remoteAddress})`;
    const error = new K4netError(code, `${why} the message '${name}'${where}`);
    if (this.#onError) {
      this.report(error, name, 'message');
      return;
    }
    const last = names.isFull ? `. Further ${which} are not reported` : '';
    emitWarning(`${error.message}${last}`, error.code, error);
  }

  /** Warns of a full receive queue from which no message was ever taken. */
  warnUnread({ messages, bytes }: QueueDepth): void {
    const { remoteAddress } = this.#socket;
    const where = remoteAddress === '' ? 'a QueueSocket' : `the QueueSocket of ${remoteAddress}`;
    emitWarning(
      `the receive queue of ${where} is full (${messages} messages, ${bytes} bytes; maxQueuedMessages, ` +
        'maxQueuedBytes) and recv() was never called: the socket reads nothing more, not even answers. ' +
        'Call recv(), or do not send messages without a name',
      'K4NET_UNREAD',
    );
  }
}

/** Calls a function of the options. Reports its error under its name. Never throws. */
export function callHook(hook: () => unknown, name: string, onError: OnError): void {
  const fail = (error: unknown): void => {
    reportError(onError, error, { name, kind: 'hook' });
  };
  try {
    const result = hook();
    if (isPromiseLike(result)) result.then(undefined, fail);
  } catch (error) {
    fail(error);
  }
}

function reportError(onError: OnError, error: unknown, info: QueueErrorInfo): void {
  if (!onError) {
    warnOnce(error, info);
    return;
  }
  const hook: (error: unknown, info: QueueErrorInfo) => unknown = onError;
  const fail = (thrown: unknown): void => {
    warnOnce(thrown, { name: 'onError', kind: 'hook' });
  };
  try {
    const result = hook(error, info);
    if (isPromiseLike(result)) result.then(undefined, fail);
  } catch (thrown) {
    fail(thrown);
  }
}

function warnOnce(error: unknown, { name, kind }: QueueErrorInfo): void {
  const { code, text } = describeError(error);
  // One callback handles both the messages and the requests of its name.
  const source = kind === 'request' ? 'message' : kind;
  const key = `${source} ${name}`;
  const where = name === '' ? `a ${kind} message` : `'${name}'`;
  const hint = 'reported once per name; the onError option of QueueSocket gets every error';
  failures.warn(key, `${where} failed: ${text} (${hint})`, code, error);
}

/**
 * The code and the text of an error for this side. Any value can be thrown, even one whose
 * properties throw.
 */
export function describeError(error: unknown): { readonly code: string; readonly text: string } {
  try {
    const code = K4netError.is(error) ? error.code : 'K4NET_CALLBACK';
    return { code, text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  } catch {
    return { code: 'K4NET_CALLBACK', text: 'the thrown value cannot be shown' };
  }
}

/** The code and the message of an error for the peer, without its stack. Never throws. */
export function describeFailure(error: unknown): { readonly code: string; readonly message: string } {
  const unknown = { code: '', message: 'the callback threw a value that is not an Error' };
  if (typeof error === 'string') return { code: '', message: error };
  try {
    if (!(error instanceof Error)) return unknown;
    const { code, message }: { code?: unknown; message: unknown } = error;
    return {
      code: typeof code === 'string' ? code : '',
      message: typeof message === 'string' ? message : unknown.message,
    };
  } catch {
    return unknown;
  }
}
