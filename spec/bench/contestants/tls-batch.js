// node:tls with the framing of k4net, hand-written batches, callbacks only.
import { BatchConnection } from '../transports/batch-connection.js';
import { connectTls, listenTls } from '../transports/tls.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenTls((stream) => accept(new BatchConnection(stream)));
export const connect = async (port) => new BatchConnection(await connectTls(port));
export const close = (connection) => connection.stream.destroy();
