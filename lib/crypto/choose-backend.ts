import { findNodeBackend } from '#node-cipher';
import { K4netError } from '../errors.js';
import type { Backend } from './backend.js';
import { webBackend } from './suite.js';

/** Which implementation seals the records: both write the same bytes. */
export type CipherChoice = 'auto' | 'node' | 'webcrypto';

const choices: readonly string[] = ['auto', 'node', 'webcrypto'];

/** The symmetric primitives to work with; `auto` takes the synchronous ones where the runtime has them. */
export function chooseBackend(choice: CipherChoice = 'auto'): Backend {
  if (!choices.includes(choice)) {
    throw new TypeError(`cipher is 'auto', 'node' or 'webcrypto', not '${choice}'`);
  }
  if (choice === 'webcrypto') return webBackend;
  const node = findNodeBackend();
  if (node) return node;
  if (choice === 'auto') return webBackend;
  throw new K4netError('K4NET_UNSUPPORTED', 'the cipher of node:crypto is not there in this runtime');
}
