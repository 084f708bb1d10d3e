import { kindOf } from '../util/bytes.js';
import { DuplexTransport, isDuplex, type DuplexLike } from './duplex.js';
import type { Transport } from './transport.js';

/** The transport of whatever a socket is made over. */
export function toTransport(stream: DuplexLike | Transport): Transport {
  if (typeof stream === 'object' && (stream as unknown) !== null && 'attach' in stream) return stream;
  if (isDuplex(stream)) return new DuplexTransport(stream);
  throw new TypeError(`a socket is made over a duplex stream or a transport, not ${kindOf(stream)}`);
}
