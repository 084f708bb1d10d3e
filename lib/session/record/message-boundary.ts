import { type Bytes, readU32 } from '../../util/bytes.js';

/**
 * Follows the framing `u32 length, message` of the stream, to know whether it stands between two
 * messages: only there may alert 0 come ("Closing" in docs/protocol.md).
 *
 * The socket above parses the same length prefixes, but it may be behind: while it applies
 * backpressure, content waits in the flow gate. The peer gets its alert for a wrong end at once, so
 * the session follows the lengths itself. It reads one length a message and skips the body.
 */
export class MessageBoundary {
  /** Bytes of the current message that are still to come. */
  #body = 0;
  /** Bytes of the current length prefix that have come, and their value. */
  #prefix = 0;
  #length = 0;

  get isBetween(): boolean {
    return this.#body === 0 && this.#prefix === 0;
  }

  track(bytes: Bytes): void {
    const { length } = bytes;
    // Local variables: this loop runs once a message, and a record may hold thousands of small
    // messages.
    let offset = Math.min(this.#body, length);
    let body = this.#body - offset;
    while (offset < length) {
      if (this.#prefix === 0 && length - offset >= 4) {
        body = readU32(bytes, offset);
        offset += 4;
      } else {
        body = this.#addPrefixByte(bytes[offset] ?? 0);
        offset += 1;
      }
      const skipped = Math.min(body, length - offset);
      offset += skipped;
      body -= skipped;
    }
    this.#body = body;
  }

  /**
   * One byte of a length prefix that is split between chunks. Returns the length once it is whole,
   * else 0.
   */
  #addPrefixByte(byte: number): number {
    this.#length += byte * 2 ** (8 * this.#prefix);
    this.#prefix += 1;
    if (this.#prefix < 4) return 0;
    const length = this.#length;
    this.#prefix = 0;
    this.#length = 0;
    return length;
  }
}
