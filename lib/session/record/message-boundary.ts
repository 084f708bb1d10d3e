import { type Bytes, readU32 } from '../../util/bytes.js';

/** Follows the messages in a stream, `u32 len | message`, to know whether it stands between two of them. */
export class MessageBoundary {
  #body = 0;
  #header = 0;
  #length = 0;

  /** Whether the bytes so far are whole messages. */
  get between(): boolean {
    return this.#body === 0 && this.#header === 0;
  }

  track(bytes: Bytes): void {
    const { length } = bytes;
    // Locals, because this loop runs once a message, and thousands of small ones share a record.
    let offset = Math.min(this.#body, length);
    let body = this.#body - offset;
    while (offset < length) {
      if (this.#header === 0 && length - offset >= 4) {
        body = readU32(bytes, offset);
        offset += 4;
      } else {
        body = this.#collect(bytes[offset] ?? 0);
        offset += 1;
      }
      const skipped = Math.min(body, length - offset);
      offset += skipped;
      body -= skipped;
    }
    this.#body = body;
  }

  /** A byte of a length that is cut: the length once it is whole, else 0. */
  #collect(byte: number): number {
    this.#length += byte * 2 ** (8 * this.#header);
    this.#header += 1;
    if (this.#header < 4) return 0;
    const length = this.#length;
    this.#header = 0;
    this.#length = 0;
    return length;
  }
}
