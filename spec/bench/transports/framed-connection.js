import { FrameReader } from './frame-reader.js';

/** One write for each message over a Node stream. */
export class FramedConnection {
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
