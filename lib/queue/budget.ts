export { detached } from '../bytes.js';

/** What a queued message costs beside its bytes, so that a flood of empty ones is counted for what it is. */
const overhead = 64;

/** How much a queue holds, and whether that is enough. One message over the limit is let in, so that any fits. */
export class Budget {
  readonly #maxBytes: number;
  readonly #maxMessages: number;
  readonly #total: Budget | undefined;
  #bytes = 0;
  #messages = 0;

  /** @param total - counts what this one counts too. */
  constructor(maxBytes: number, maxMessages: number, total?: Budget) {
    this.#maxBytes = maxBytes;
    this.#maxMessages = maxMessages;
    this.#total = total;
  }

  get messages(): number {
    return this.#messages;
  }

  /** Bytes, each message with its overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.#maxBytes || this.#messages >= this.#maxMessages;
  }

  /** Whether one more of that size stays within the limits, or is the only one. */
  fits(size: number): boolean {
    if (this.#messages === 0) return true;
    return this.#bytes + size + overhead <= this.#maxBytes && this.#messages < this.#maxMessages;
  }

  take(size: number): void {
    this.#bytes += size + overhead;
    this.#messages += 1;
    this.#total?.take(size);
  }

  /** Everything that was taken is gone. */
  clear(): void {
    this.#bytes = 0;
    this.#messages = 0;
  }

  give(size: number): void {
    this.#bytes -= size + overhead;
    this.#messages -= 1;
    this.#total?.give(size);
  }
}
