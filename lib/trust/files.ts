/**
 * The seam between trust decisions and the file system: key files and the known-hosts file. The
 * code that decides imports files from here only, so that a build for the web can replace this
 * module.
 */
export { fingerprintOfFile, keyFile, loadClientPin, loadServerKey, makeServerKey } from './key-file.js';
export { readServerKey, saveClientPin } from './key-file.js';
export { fileKnownHosts, fileKnownHosts as defaultKnownHosts } from './known-hosts-file.js';
