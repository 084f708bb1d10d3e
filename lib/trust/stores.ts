// The stores of known hosts that the package exports, in a file of their own: see `usedLater` in
// spec/package/build.js.
export { fileKnownHosts } from '#files';
export { indexedDbKnownHosts } from './indexed-db.js';
