// node:net with the framing of k4net and one write for each message, the simplest way.
import { FramedConnection } from '../transports/framed-connection.js';
import { connectNet, listenNet } from '../transports/net.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenNet((stream) => accept(new FramedConnection(stream)));
export const connect = async (port) => new FramedConnection(await connectNet(port));
export const close = (connection) => connection.stream.destroy();
