// node:tls with the framing of k4net and one write for each message.
import { FramedConnection } from '../transports/framed-connection.js';
import { connectTls, listenTls } from '../transports/tls.js';

export * as driver from '../drivers/callbacks.js';

export const listen = (accept) => listenTls((stream) => accept(new FramedConnection(stream)));
export const connect = async (port) => new FramedConnection(await connectTls(port));
export const close = (connection) => connection.stream.destroy();
