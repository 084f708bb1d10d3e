import { FrameReader } from './frame-reader.js';

const copyLimit = 16 * 1024;
const minBufferSize = 1024;
const maxBufferSize = 64 * 1024;
const none = Buffer.alloc(0);

/**
 * Hand-written batches over a Node stream. Small messages are copied into a buffer; each tick and
 * each full buffer makes one write.
 */
export class BatchConnection {
  onMessage = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #buffer = none;
  #end = 0;
  #bufferSize = minBufferSize;
  #scheduled = false;
  #blocked = false;
  #reader = new FrameReader((message) => {
    this.onMessage(message);
  });

  constructor(stream) {
    this.stream = stream;
    stream.on('data', (chunk) => {
      this.#reader.push(chunk);
    });
    stream.on('drain', () => {
      // The event also comes after writes that the system accepted at once.
      if (!this.#blocked) return;
      this.#blocked = false;
      this.onDrain();
    });
    stream.on('error', (error) => {
      this.onError(error);
    });
  }

  /** Returns false above the high-water mark of the stream, which still accepts messages. */
  send(message) {
    const { length } = message;
    if (length > copyLimit) {
      this.#writeBig(message);
    } else {
      if (this.#buffer.length - this.#end < length + 4) this.#newBuffer(length + 4);
      const at = this.#end;
      writeLength(this.#buffer, at, length);
      this.#buffer.set(message, at + 4);
      this.#end = at + 4 + length;
      if (!this.#scheduled) {
        this.#scheduled = true;
        process.nextTick(flush, this);
      }
    }
    return !this.#blocked;
  }

  static flush(connection) {
    connection.#scheduled = false;
    connection.#flush();
    // A stream that sends little at a time needs no large buffer.
    if (connection.#end * 4 < connection.#buffer.length) connection.#bufferSize = minBufferSize;
    connection.#buffer = none;
    connection.#end = 0;
  }

  #newBuffer(size) {
    if (this.#buffer.length > 0) {
      this.#flush();
      this.#bufferSize = Math.min(this.#bufferSize * 4, maxBufferSize);
    }
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(size, this.#bufferSize));
    this.#end = 0;
  }

  #flush() {
    if (this.#end > 0) this.#sent(this.stream.write(this.#buffer.subarray(0, this.#end)));
  }

  #writeBig(message) {
    const { stream } = this;
    this.#flush();
    this.#buffer = none;
    this.#end = 0;
    const header = Buffer.allocUnsafeSlow(4);
    writeLength(header, 0, message.length);
    stream.cork();
    stream.write(header);
    const ready = stream.write(message);
    stream.uncork();
    this.#sent(ready);
  }

  #sent(ready) {
    if (!ready && this.stream.writableLength > 0) this.#blocked = true;
  }
}

const { flush } = BatchConnection;

function writeLength(bytes, at, value) {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
