import type { Bytes } from '../bytes.js';

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
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, bytes.length - offset);
        this.#body -= skipped;
        offset += skipped;
      } else {
        this.#length += (bytes[offset] ?? 0) * 2 ** (8 * this.#header);
        offset += 1;
        this.#header += 1;
        if (this.#header === 4) {
          this.#body = this.#length;
          this.#header = 0;
          this.#length = 0;
        }
      }
    }
  }
}
