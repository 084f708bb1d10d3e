// node:net with the framing of k4net, hand-written batches, callbacks only. About the best that
// JavaScript over a TCP socket can do if it passes each message to its user as a view.
import { BatchConnection } from '../transports/batch-connection.js';
import { connectNet, listenNet } from '../transports/net.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenNet((stream) => accept(new BatchConnection(stream)));
export const connect = async (port) => new BatchConnection(await connectNet(port));
export const close = (connection) => connection.stream.destroy();
