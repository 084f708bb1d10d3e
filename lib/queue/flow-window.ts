import type { Bytes } from '../util/bytes.js';

export { compact } from '../util/bytes.js';

/** Bytes that a queued message counts beside its own, so that a flood of empty ones is counted for what it is. */
const messageOverhead = 64;
/**
 * Bytes that a request in flight counts beside its name and its payload. Measured at the end that answers (Node 20):
 * 225 of the heap for an empty payload, 440 for another. Both ends have to count the same: docs/protocol.md.
 */
const requestOverhead = 512;

/** How much a queue holds, and whether that is enough. One message over the limit is let in, so that any fits. */
export class FlowWindow {
  readonly #maxBytes: number;
  readonly #maxMessages: number;
  readonly #overhead: number;
  readonly #total: FlowWindow | undefined;
  #bytes = 0;
  #messages = 0;

  /**
   * @param overhead - bytes that each message counts beside its size.
   * @param total - counts what this one counts too, with the same overhead.
   */
  constructor(maxBytes: number, maxMessages: number, overhead: number = messageOverhead, total?: FlowWindow) {
    this.#maxBytes = maxBytes;
    this.#maxMessages = maxMessages;
    this.#overhead = overhead;
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
    return this.#bytes + size + this.#overhead <= this.#maxBytes && this.#messages < this.#maxMessages;
  }

  reserve(size: number): void {
    this.#bytes += size + this.#overhead;
    this.#messages += 1;
    this.#total?.reserve(size);
  }

  /** Everything that was taken is gone. */
  clear(): void {
    this.#bytes = 0;
    this.#messages = 0;
  }

  release(size: number): void {
    this.#bytes -= size + this.#overhead;
    this.#messages -= 1;
    this.#total?.release(size);
  }
}

/** A queue of requests in flight: at the end that calls and at the one that answers. */
export function requestWindow(maxBytes: number, maxMessages: number, total?: FlowWindow): FlowWindow {
  return new FlowWindow(maxBytes, maxMessages, requestOverhead, total);
}

/** Size of a request, as both ends count it. */
export function requestSize(name: string, payload: Bytes): number {
  return name.length + payload.length;
}
