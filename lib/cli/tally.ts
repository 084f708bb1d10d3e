import { createHash } from 'node:crypto';
import { formatBytes, formatCount } from './format.js';

/** What one side of the demo has seen of the file. */
export interface Receipt {
  readonly messages: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Counts and hashes the messages of a file. */
export class Tally {
  readonly #hash = createHash('sha256');
  #messages = 0;
  #bytes = 0;

  add(message: Uint8Array): void {
    this.#hash.update(message);
    this.#messages += 1;
    this.#bytes += message.length;
  }

  /** Ends the tally. */
  receipt(): Receipt {
    return { messages: this.#messages, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

/** A receipt as people read it. */
export function describeReceipt({ messages, bytes, sha256 }: Receipt): string {
  return `${formatCount(messages, 'message')}, ${formatBytes(bytes)}, SHA-256 ${sha256.slice(0, 16)}...`;
}
