import { escapeText } from './escape.js';
import { debugLog } from '../platform/runtime.js';

const print = debugLog('k4net');

/**
 * Prints a line about the life of a connection on standard error where NODE_DEBUG names k4net; otherwise undefined, so
 * that `debug?.(...)` builds no text. Text of a peer in it is escaped. Never give it a secret or a payload.
 */
export const debug: ((line: string) => void) | undefined = print
  ? (line) => {
      print(escapeText(line));
    }
  : undefined;

/** How a line names a connection. */
export function nameOf({ remoteAddress }: { readonly remoteAddress: string }): string {
  return remoteAddress === '' ? 'a peer without an address' : remoteAddress;
}

/** What went wrong: its code where it has one, and its message. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : error.name;
  // Most messages quote what is behind them already.
  const behind = error.cause instanceof Error && !error.message.includes(error.cause.message);
  return `${code}: ${error.message}${behind ? `: ${causeOf(error.cause)}` : ''}`;
}
