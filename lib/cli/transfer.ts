import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { BinaryReader } from '../binary/reader.js';
import type { QueueSocket } from '../queue/queue-socket.js';

// The protocol of the demo: `put` uploads a file, and the stream `back` has the bytes of the same
// upload. Both sides count and hash the chunks.

export const chunkSize: number = 64 * 1024;

/** The figures of the client, and the receipt of the server. */
export interface Exchange {
  readonly sent: Receipt;
  readonly back: Receipt;
  readonly receipt: Receipt;
}

/**
 * Uploads a file and receives it back at the same time. The flow control of the two streams limits
 * the chunks in flight, so a file of any length takes the same memory.
 *
 * @param onProgress - called with the number of bytes that have come back.
 */
export async function exchangeFile(
  queue: QueueSocket,
  file: string,
  size: number,
  onProgress: (bytes: number) => void,
): Promise<Exchange> {
  const sent = new Tally();
  const upload = queue.call(
    'put',
    (writer) => {
      writer.writeString(path.basename(file));
      writer.writeUlonglong(size);
    },
    { body: sent.count(createReadStream(file, { highWaterMark: chunkSize })) },
  );
  const back = new Tally();
  const receive = async (): Promise<void> => {
    for await (const chunk of queue.stream('back')) {
      back.add(chunk.read());
      onProgress(back.bytes);
    }
  };
  const [answer] = await Promise.all([upload, receive()]);
  const receipt = JSON.parse(answer.readString()) as Receipt;
  return { sent: sent.receipt(), back: back.receipt(), receipt };
}

/** The bytes of the items of a stream. */
export async function* bytesOf(items: AsyncIterable<BinaryReader>): AsyncGenerator<Uint8Array, void> {
  for await (const item of items) yield item.read();
}

/** Count, size and hash of the chunks that one side has handled. */
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

  /** Counts the chunks of a sequence as they pass. */
  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of chunks) {
      this.add(chunk);
      yield chunk;
    }
  }

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#chunks += 1;
    this.#bytes += chunk.length;
  }

  /** The totals. Call it only once: it ends the hash. */
  receipt(): Receipt {
    return { chunks: this.#chunks, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

/** A receipt as text. */
export function describeReceipt({ chunks, bytes, sha256 }: Receipt): string {
  return `${formatCount(chunks, 'chunk')}, ${formatBytes(bytes)}, SHA-256 ${sha256.slice(0, 16)}...`;
}

/** A size as text, in powers of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** A count with a noun: `1 chunk`, `1,200 chunks`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}
