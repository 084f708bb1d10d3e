import { K4netError } from '../errors.js';
import type * as node from './files.js';
import { indexedDbKnownHosts } from './indexed-db.js';

// The form of `#files` for browsers, which have no files: the default store is in IndexedDB, and
// every other function throws.

function unsupported(): never {
  throw new K4netError(
    'K4NET_UNSUPPORTED',
    "key files and known-hosts files need node:fs, which the build for browsers does not have: use 'key' " +
      "or 'pin' instead of keyPath, and knownHosts: true or a store instead of a path",
  );
}

export const defaultKnownHosts: typeof node.defaultKnownHosts = () => indexedDbKnownHosts();
export const fileKnownHosts: typeof node.fileKnownHosts = unsupported;
export const fingerprintOfFile: typeof node.fingerprintOfFile = unsupported;
export const keyFile: typeof node.keyFile = unsupported;
export const loadClientPin: typeof node.loadClientPin = unsupported;
export const loadServerKey: typeof node.loadServerKey = unsupported;
export const makeServerKey: typeof node.makeServerKey = unsupported;
export const readServerKey: typeof node.readServerKey = unsupported;
export const saveClientPin: typeof node.saveClientPin = unsupported;
