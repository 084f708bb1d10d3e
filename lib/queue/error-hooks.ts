import { K4netError } from '../errors.js';
import { emitWarning } from '../platform/runtime.js';
import { isPromiseLike } from '../util/wait.js';
import type { QueueDepth, QueueErrorInfo, QueueSocketOptions } from './types.js';

/** What the process was warned of: once a name, however many sockets there are. */
const warned = new Set<string>();
/** Names without a callback that the process was warned of. */
const unmatched = new Set<string>();
const maxUnmatched = 16;

/** Tells of an error: whoever asked for it, or else the operator. Never throws. */
export function reportError(
  onError: QueueSocketOptions['onError'],
  error: unknown,
  info: QueueErrorInfo,
): void {
  if (!onError) {
    warnOnce(error, info);
    return;
  }
  const tell: (error: unknown, info: QueueErrorInfo) => unknown = onError;
  try {
    const result = tell(error, info);
    if (isPromiseLike(result)) {
      result.then(undefined, (thrown: unknown) => {
        warnOnce(thrown, { name: 'onError', kind: 'hook' });
      });
    }
  } catch (thrown) {
    warnOnce(thrown, { name: 'onError', kind: 'hook' });
  }
}

/**
 * Reports a message whose name has no callback. A peer can make up any number of names, so the process
 * is warned of the first 16; an error is made only if somebody sees it.
 */
export function reportUnmatched(onError: QueueSocketOptions['onError'], name: string, peer: string): void {
  if (!onError && (unmatched.size === maxUnmatched || unmatched.has(name))) return;
  const where = peer === '' ? '' : ` (peer ${peer})`;
  const error = new K4netError(
    'K4NET_NO_CALLBACK',
    `a message came for '${name}', which has no callback${where}`,
  );
  if (onError) {
    reportError(onError, error, { name, kind: 'message' });
    return;
  }
  unmatched.add(name);
  const last = unmatched.size === maxUnmatched ? '. Further unknown names are not reported' : '';
  emitWarning(`${error.message}${last}`, error.code, error);
}

/** Calls a function of the options: what it throws, or rejects with, is reported under its name. Never throws. */
export function callHook(hook: () => unknown, name: string, onError: QueueSocketOptions['onError']): void {
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

/** Warns of a full receive queue of which nobody has taken a message yet. */
export function warnUnread(peer: string, { messages, bytes }: QueueDepth): void {
  const where = peer === '' ? 'a QueueSocket' : `the QueueSocket of ${peer}`;
  emitWarning(
    `nobody has received a message yet, and the receive queue of ${where} is full ` +
      `(${messages} messages, ${bytes} bytes): ` +
      'this side reads nothing more, not even answers. Call recv(), or have the peer send nothing without a name',
    'K4NET_UNREAD',
  );
}

function warnOnce(error: unknown, { name, kind }: QueueErrorInfo): void {
  const { code, text } = describeError(error);
  // A callback serves the messages and the requests of its name.
  const source = kind === 'request' ? 'message' : kind;
  const key = `${source} ${name}`;
  if (warned.has(key)) return;
  warned.add(key);
  const where = name === '' ? `a ${kind} message` : `'${name}'`;
  emitWarning(
    `${where} failed: ${text} (reported once a name: give QueueSocket an onError to hear of every one)`,
    code,
    error,
  );
}

/** Anything can be thrown, also what throws when it is looked at. */
export function describeError(error: unknown): { readonly code: string; readonly text: string } {
  try {
    const code = K4netError.is(error) ? error.code : 'K4NET_CALLBACK';
    return { code, text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  } catch {
    return { code: 'K4NET_CALLBACK', text: 'what was thrown cannot be shown' };
  }
}
