import type * as node from './node-cipher.js';

// The form of `#node-cipher` for browsers, where WebCrypto is the only cipher.

export const findNodeBackend: typeof node.findNodeBackend = () => undefined;

export const prefersWebCrypto: typeof node.prefersWebCrypto = () => true;
