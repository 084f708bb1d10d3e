import { createHash } from 'node:crypto';
import { formatBytes, formatCount } from './format.js';

/** What one side of the demo has seen of the file. */
export interface Receipt {
  readonly chunks: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Counts and hashes the chunks of a file. */
export class Tally {
  readonly #hash = createHash('sha256');
  #chunks = 0;
  #bytes = 0;

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#chunks += 1;
    this.#bytes += chunk.length;
  }

  /** Ends the tally. */
  receipt(): Receipt {
    return { chunks: this.#chunks, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

/** A receipt as people read it. */
export function describeReceipt({ chunks, bytes, sha256 }: Receipt): string {
  return `${formatCount(chunks, 'chunk')}, ${formatBytes(bytes)}, SHA-256 ${sha256.slice(0, 16)}...`;
}
