import { K4netError } from '../errors.js';
import { kindOf } from '../util/bytes.js';
import type * as node from './duplex.js';
import { isDuplex } from './duplex-like.js';

// The form of `#duplex` for browsers, which have no streams of Node.

/** @throws K4netError `K4NET_UNSUPPORTED` for a duplex stream. */
export const toTransport: typeof node.toTransport = (stream) => {
  if (typeof stream === 'object' && (stream as unknown) !== null && 'attach' in stream) return stream;
  if (!isDuplex(stream)) throw new TypeError(`a socket needs a transport, not ${kindOf(stream)}`);
  throw new K4netError(
    'K4NET_UNSUPPORTED',
    'the build for browsers has no transport over Node streams: pass a Transport instead',
  );
};
