import { duplexTransport } from '#duplex';
import { kindOf } from '../util/bytes.js';
import type { DuplexLike } from './duplex.js';
import type { Transport } from './transport.js';

/** The transport of the stream or transport that a socket is made over. */
export function toTransport(stream: DuplexLike | Transport): Transport {
  if (typeof stream === 'object' && (stream as unknown) !== null && 'attach' in stream) return stream;
  const transport = duplexTransport(stream);
  if (transport) return transport;
  throw new TypeError(`a socket is made over a duplex stream or a transport, not ${kindOf(stream)}`);
}
