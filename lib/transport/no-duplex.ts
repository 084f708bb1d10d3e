import { K4netError } from '../errors.js';
import type * as node from './duplex.js';

// The form of `#duplex` for browsers, which have no streams of Node.

/** @throws K4netError `K4NET_UNSUPPORTED`. */
export const duplexTransport: typeof node.duplexTransport = () => {
  throw new K4netError(
    'K4NET_UNSUPPORTED',
    'the build for browsers has no transport over Node streams: pass a Transport instead',
  );
};
