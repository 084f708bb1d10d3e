// node:net with the frames of the library, batched by hand, callbacks only: about the best that JavaScript over a
// TCP socket can do when it gives each message to its user as bytes of its own view.
import { BatchConnection } from '../batch-connection.js';
import { connectCallback, listenCallback } from '../callback-net.js';

export * as roles from '../callback-roles.js';

export const listen = (accept) => listenCallback((stream) => accept(new BatchConnection(stream)));
export const connect = async (port) => new BatchConnection(await connectCallback(port));
export const close = (connection) => connection.stream.destroy();
