// node:net with the frames of the library and one write for each message: what one writes first.
import { connectCallback, listenCallback } from '../callback-net.js';
import { FrameReader } from '../frame-reader.js';

export * as roles from '../callback-roles.js';

class FramedConnection {
  onMessage = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #reader = new FrameReader((message) => {
    this.onMessage(message);
  });

  constructor(stream) {
    this.stream = stream;
    stream.on('data', (chunk) => {
      this.#reader.push(chunk);
    });
    stream.on('drain', () => {
      this.onDrain();
    });
    stream.on('error', (error) => {
      this.onError(error);
    });
  }

  send(message) {
    const frame = Buffer.allocUnsafe(4 + message.length);
    frame.writeUInt32LE(message.length, 0);
    frame.set(message, 4);
    return this.stream.write(frame);
  }
}

export const listen = (accept) => listenCallback((stream) => accept(new FramedConnection(stream)));
export const connect = async (port) => new FramedConnection(await connectCallback(port));
export const close = (connection) => connection.stream.destroy();
