import { findNodeBackend } from '#node-cipher';
import { K4netError } from '../errors.js';
import type { Backend } from './backend.js';
import { webBackend } from './suite.js';

/** The implementation of the primitives. All choices write the same bytes. */
export type CipherChoice = 'auto' | 'node' | 'webcrypto';

const choices: readonly string[] = ['auto', 'node', 'webcrypto'];

/**
 * Returns the primitives to use. `auto` is node:crypto, which is synchronous, if the runtime has
 * it, and WebCrypto otherwise.
 */
export function chooseBackend(choice: CipherChoice = 'auto'): Backend {
  if (!choices.includes(choice)) {
    throw new TypeError(`cipher must be 'auto', 'node' or 'webcrypto', not '${choice}'`);
  }
  if (choice === 'webcrypto') return webBackend;
  const node = findNodeBackend();
  if (node) return node;
  if (choice === 'auto') return webBackend;
  throw new K4netError(
    'K4NET_UNSUPPORTED',
    "cipher: 'node' needs node:crypto, which this runtime does not have",
  );
}
