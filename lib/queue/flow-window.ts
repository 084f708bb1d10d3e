import type { Bytes } from '../util/bytes.js';

/**
 * Bytes that a queued message counts in addition to its size. Without them, a flood of empty
 * messages would count nothing.
 */
const messageOverhead = 64;
/**
 * Bytes that a request in flight counts in addition to its name and its payload. Measured at the
 * end that answers (Node 20): 225 bytes of heap with an empty payload, 440 otherwise. Both ends
 * must count the same: docs/protocol.md.
 */
const requestOverhead = 512;

/**
 * A flow control window: counts the messages and bytes of a queue against its limits.
 *
 * A window below its limit accepts the next message even if that exceeds the limit; otherwise a
 * large message could never pass.
 */
export class FlowWindow {
  readonly #maxBytes: number;
  readonly #maxMessages: number;
  readonly #overhead: number;
  readonly #total: FlowWindow | undefined;
  #bytes = 0;
  #messages = 0;

  /**
   * @param overhead - bytes that each message counts in addition to its size.
   * @param total - a window without a total that counts the messages of this one too.
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

  /** Bytes, including the overhead of each message. */
  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.#maxBytes || this.#messages >= this.#maxMessages;
  }

  /** Whether one more message of this size stays within the limits or would be the only one. */
  fits(size: number): boolean {
    if (this.#messages === 0) return true;
    return this.#bytes + size + this.#overhead <= this.#maxBytes && this.#messages < this.#maxMessages;
  }

  /** Counts a message that enters the queue. */
  reserve(size: number): void {
    const bytes = size + this.#overhead;
    this.#bytes += bytes;
    this.#messages += 1;
    const total = this.#total;
    if (!total) return;
    total.#bytes += bytes;
    total.#messages += 1;
  }

  /** Counts a message that has left the queue. */
  release(size: number): void {
    const bytes = size + this.#overhead;
    this.#bytes -= bytes;
    this.#messages -= 1;
    const total = this.#total;
    if (!total) return;
    total.#bytes -= bytes;
    total.#messages -= 1;
  }

  /** All messages have left the queue. */
  clear(): void {
    this.#bytes = 0;
    this.#messages = 0;
  }
}

/** A window for requests in flight, at the end that calls and at the end that answers. */
export function requestWindow(maxBytes: number, maxMessages: number, total?: FlowWindow): FlowWindow {
  return new FlowWindow(maxBytes, maxMessages, requestOverhead, total);
}

/** The size of a request without overhead. Both ends count it the same. */
export function requestSize(name: string, payload: Bytes): number {
  return name.length + payload.length;
}
