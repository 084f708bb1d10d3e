// node:net without framing, for ping-pong only: an answer is complete when its bytes have arrived.
import { StreamConnection } from '../transports/stream-connection.js';
import { connectNet, listenNet } from '../transports/net.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenNet((stream) => accept(new StreamConnection(stream)));
export const connect = async (port) => new StreamConnection(await connectNet(port));
export const close = (connection) => connection.stream.destroy();
