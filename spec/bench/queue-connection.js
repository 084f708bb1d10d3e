import { library } from './library.js';

const { QueueSocket } = library;
if (QueueSocket === undefined) throw new Error('the build has no QueueSocket');

const name = 'message';

/** A QueueSocket with one name: messages go to a callback, requests are calls. */
export class QueueConnection {
  onMessage = () => undefined;

  constructor(socket) {
    this.queue = new QueueSocket(socket);
    this.queue.registerCallback(name, (reader) => this.onMessage(reader.read()));
    this.queue.start();
  }

  send(message) {
    return this.queue.sendRegistered(name, message);
  }

  async call(message) {
    const reader = await this.queue.call(name, message);
    return reader.read();
  }
}

/** The same contestant with queues over its sockets. */
export function queued({ listen, connect }) {
  return {
    listen: (accept) => listen((socket) => accept(new QueueConnection(socket))),
    connect: async (port) => new QueueConnection(await connect(port)),
    close: (connection) => connection.queue.close(),
  };
}
