// node:net with the frames of the library, batched by hand, callbacks only: about the best that
// JavaScript over a TCP socket can do when it gives each message to its user as bytes of its own
// view.
import { BatchConnection } from '../transports/batch-connection.js';
import { connectNet, listenNet } from '../transports/net.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenNet((stream) => accept(new BatchConnection(stream)));
export const connect = async (port) => new BatchConnection(await connectNet(port));
export const close = (connection) => connection.stream.destroy();
