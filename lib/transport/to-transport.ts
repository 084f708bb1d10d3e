import { duplexTransport } from '#duplex';
import { kindOf } from '../util/bytes.js';
import { isDuplex, type DuplexLike } from './duplex-like.js';
import { isMessagePort, MessagePortTransport, type MessagePortLike } from './message-port.js';
import type { Transport } from './transport.js';
import { isWebSocket, WebSocketTransport, type WebSocketLike } from './web-socket.js';

/**
 * A connection that a socket can be made over: a Node stream, a WebSocket, a message port or worker,
 * or a {@link Transport}.
 */
export type Carrier = Transport | DuplexLike | WebSocketLike | MessagePortLike;

/**
 * Returns the transport over a carrier. The transport owns the carrier from here on. Carriers are
 * told apart by their methods: an object of another realm or of a test double is as good.
 *
 * @throws TypeError for a value that is no carrier.
 * @throws K4netError `K4NET_UNSUPPORTED` for a Node stream in the build for browsers.
 */
export function toTransport(carrier: Carrier): Transport {
  if (typeof carrier === 'object' && (carrier as unknown) !== null && 'attach' in carrier) return carrier;
  if (isDuplex(carrier)) return duplexTransport(carrier);
  if (isWebSocket(carrier)) return new WebSocketTransport(carrier);
  if (isMessagePort(carrier)) return new MessagePortTransport(carrier);
  throw new TypeError(
    `a socket needs a duplex stream, a WebSocket, a message port or a transport, not ${kindOf(carrier)}`,
  );
}
