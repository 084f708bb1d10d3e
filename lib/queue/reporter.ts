import { K4netError } from '../errors.js';
import { warn } from '../runtime.js';
import { isPromiseLike } from '../waiting.js';
import type { QueueDepth, QueueErrorInfo, QueueSocketOptions } from './queue-socket-options.js';

/** What the process was warned of: once a name, however many sockets there are. */
const warned = new Set<string>();

/** Tells of an error: whoever asked for it, or else the operator. Never throws. */
export function report(onError: QueueSocketOptions['onError'], error: unknown, info: QueueErrorInfo): void {
  if (!onError) {
    // The caller of a request is told, and the program that calls may have asked for it.
    if (info.kind !== 'request') warnOnce(error, info);
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

/** Calls a function of the options: what it throws, or rejects with, is reported under its name. Never throws. */
export function attempt(hook: () => unknown, name: string, onError: QueueSocketOptions['onError']): void {
  const fail = (error: unknown): void => {
    report(onError, error, { name, kind: 'hook' });
  };
  try {
    const result = hook();
    if (isPromiseLike(result)) result.then(undefined, fail);
  } catch (error) {
    fail(error);
  }
}

/** Warns of a full receive queue whose messages nobody takes. */
export function warnUnread(peer: string, { messages, bytes }: QueueDepth): void {
  const where = peer === '' ? 'a QueueSocket' : `the QueueSocket of ${peer}`;
  warn(
    `nobody calls recv() and the receive queue of ${where} is full (${messages} messages, ${bytes} bytes): ` +
      'this side reads nothing more, not even answers. Call recv(), or have the peer send nothing without a name',
    'K4NET_UNREAD',
  );
}

function warnOnce(error: unknown, { name, kind }: QueueErrorInfo): void {
  const { code, text } = describe(error);
  // Names that have no callback here are the peer's to make up: they are warned of as one.
  const key = code === 'K4NET_NO_CALLBACK' ? code : `${kind} ${name}`;
  if (warned.has(key)) return;
  warned.add(key);
  const where = name === '' ? `a ${kind} message` : `'${name}'`;
  warn(
    `${where} failed: ${text} (reported once a name: give QueueSocket an onError to hear of every one)`,
    code,
  );
}

/** Anything can be thrown, also what throws when it is looked at. */
function describe(error: unknown): { readonly code: string; readonly text: string } {
  try {
    const code = K4netError.is(error) ? error.code : 'K4NET_CALLBACK';
    return { code, text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  } catch {
    return { code: 'K4NET_CALLBACK', text: 'what was thrown cannot be shown' };
  }
}
