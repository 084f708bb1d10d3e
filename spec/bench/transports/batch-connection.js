import { FrameReader } from './frame-reader.js';

const copyLimit = 16 * 1024;
const smallestSlab = 1024;
const largestSlab = 64 * 1024;
const none = Buffer.alloc(0);

/**
 * Batches by hand over a node stream: small messages are copied into a slab, one write for a tick
 * or a full slab.
 */
export class BatchConnection {
  onMessage = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #slab = none;
  #end = 0;
  #slabSize = smallestSlab;
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
      // Says so late, after a write that the system had taken whole.
      if (!this.#blocked) return;
      this.#blocked = false;
      this.onDrain();
    });
    stream.on('error', (error) => {
      this.onError(error);
    });
  }

  /** False when the stream holds enough; what is sent all the same is kept. */
  send(message) {
    const { length } = message;
    if (length > copyLimit) {
      this.#writeBig(message);
    } else {
      if (this.#slab.length - this.#end < length + 4) this.#newSlab(length + 4);
      const at = this.#end;
      writeLength(this.#slab, at, length);
      this.#slab.set(message, at + 4);
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
    // A stream that sends little at a time needs no large slab.
    if (connection.#end * 4 < connection.#slab.length) connection.#slabSize = smallestSlab;
    connection.#slab = none;
    connection.#end = 0;
  }

  #newSlab(size) {
    if (this.#slab.length > 0) {
      this.#flush();
      this.#slabSize = Math.min(this.#slabSize * 4, largestSlab);
    }
    this.#slab = Buffer.allocUnsafeSlow(Math.max(size, this.#slabSize));
    this.#end = 0;
  }

  #flush() {
    if (this.#end > 0) this.#sent(this.stream.write(this.#slab.subarray(0, this.#end)));
  }

  #writeBig(message) {
    const { stream } = this;
    this.#flush();
    this.#slab = none;
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
