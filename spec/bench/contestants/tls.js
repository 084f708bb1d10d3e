// node:tls without framing, for ping-pong only: an answer is complete when its bytes have arrived.
import { StreamConnection } from '../transports/stream-connection.js';
import { connectTls, listenTls } from '../transports/tls.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenTls((stream) => accept(new StreamConnection(stream)));
export const connect = async (port) => new StreamConnection(await connectTls(port));
export const close = (connection) => connection.stream.destroy();
