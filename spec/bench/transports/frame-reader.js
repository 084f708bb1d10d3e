/**
 * Cuts chunks into messages. A message inside one chunk is a view of it; others are copied
 * together.
 */
export class FrameReader {
  #onMessage;
  #header = new Uint8Array(4);
  #headerLength = 0;
  #body = undefined;
  #bodyLength = 0;

  /** @param {(message: Uint8Array) => void} onMessage */
  constructor(onMessage) {
    this.#onMessage = onMessage;
  }

  /** @param {Uint8Array} chunk */
  push(chunk) {
    const { buffer, byteOffset, length } = chunk;
    const onMessage = this.#onMessage;
    let at = this.#headerLength > 0 ? this.#goOn(chunk) : 0;
    while (length - at >= 4) {
      const size = readLength(chunk, at);
      const next = at + 4 + size;
      if (next > length) break;
      onMessage(new Uint8Array(buffer, byteOffset + at + 4, size));
      at = next;
    }
    if (at < length) this.#start(chunk, at);
  }

  /** Keeps the start of a message that a later chunk completes. */
  #start(chunk, from) {
    const rest = chunk.length - from;
    this.#headerLength = Math.min(4, rest);
    this.#header.set(chunk.subarray(from, from + this.#headerLength));
    if (rest >= 4) this.#fill(chunk, from + 4);
  }

  /** Continues a message of an earlier chunk. Returns the offset of its end in this chunk. */
  #goOn(chunk) {
    let at = 0;
    while (this.#headerLength < 4 && at < chunk.length) {
      this.#header[this.#headerLength] = chunk[at];
      this.#headerLength += 1;
      at += 1;
    }
    return this.#headerLength < 4 ? at : this.#fill(chunk, at);
  }

  #fill(chunk, from) {
    this.#body ??= Buffer.allocUnsafeSlow(readLength(this.#header, 0));
    const part = chunk.subarray(from, from + this.#body.length - this.#bodyLength);
    this.#body.set(part, this.#bodyLength);
    this.#bodyLength += part.length;
    if (this.#bodyLength === this.#body.length) {
      const body = this.#body;
      this.#body = undefined;
      this.#bodyLength = 0;
      this.#headerLength = 0;
      this.#onMessage(body);
    }
    return from + part.length;
  }
}

function readLength(bytes, at) {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
