// node:net with the frames of the library and one write for each message: what one writes first.
import { FramedConnection } from '../transports/framed-connection.js';
import { connectNet, listenNet } from '../transports/net.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenNet((stream) => accept(new FramedConnection(stream)));
export const connect = async (port) => new FramedConnection(await connectNet(port));
export const close = (connection) => connection.stream.destroy();
