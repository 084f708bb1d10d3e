import { type Bytes, readU32 } from '../../util/bytes.js';

/**
 * Tracks the framing `u32 length, message` of the stream, to know whether the stream is between two
 * messages: alert 0 is allowed only there ("Closing" in docs/protocol.md).
 *
 * The socket above parses the same length prefixes, but later: while it applies backpressure,
 * content waits in the flow gate. The peer gets its alert for a wrong end at once, so the session
 * tracks the lengths too. It reads one length for each message and skips the body.
 */
export class MessageBoundary {
  /** Bytes of the current message that have not arrived. */
  #body = 0;
  /** Bytes of the current length prefix that have arrived, and their value. */
  #prefix = 0;
  #length = 0;

  get isBetween(): boolean {
    return this.#body === 0 && this.#prefix === 0;
  }

  track(bytes: Bytes): void {
    const { length } = bytes;
    // Local variables are faster: this loop runs once for each message, and a record may contain
    // thousands of small messages.
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
   * Adds one byte of a length prefix that is split between chunks. Returns the length once it is
   * complete, otherwise 0.
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
