import { escapeText } from './escape.js';
import { debugLog } from '../platform/runtime.js';

const print = debugLog('k4net');

/**
 * Prints a line about a connection on standard error, with text of the peer escaped. Undefined
 * unless NODE_DEBUG contains k4net, so that `debug?.(...)` builds no text. Never pass it a secret
 * or a payload.
 */
export const debug: ((line: string) => void) | undefined = print
  ? (line) => {
      print(escapeText(line));
    }
  : undefined;

/** The name of a connection in a debug line. */
export function nameOf({ remoteAddress }: { readonly remoteAddress: string }): string {
  return remoteAddress === '' ? 'a peer without an address' : remoteAddress;
}

/** The code and the message of an error, with those of its cause. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : error.name;
  // Most messages already quote their cause.
  const behind = error.cause instanceof Error && !error.message.includes(error.cause.message);
  return `${code}: ${error.message}${behind ? `: ${causeOf(error.cause)}` : ''}`;
}
