import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { BinaryReader } from '../binary/reader.js';
import type { PayloadConstructor } from '../queue/call-types.js';
import type { QueueSocket } from '../queue/queue-socket.js';

// The protocol of the demo: a file is sent in chunks, and both sides count and hash them.

export const chunkSize: number = 256 * 1024;
/** Chunks in flight. */
const maxInFlight = 8;

/** The receipts of the sender and of the receiver. */
export interface Sent {
  readonly sent: Receipt;
  readonly receipt: Receipt;
}

/**
 * Sends a file by calls of `begin`, `chunk` and `end`. The number of chunks in flight is limited,
 * so a file of any length takes the same memory.
 *
 * @param onProgress - called with the number of bytes that the receiver has confirmed.
 */
export async function sendFile(
  queue: QueueSocket,
  file: string,
  size: number,
  onProgress: (bytes: number) => void,
): Promise<Sent> {
  await queue.call('begin', (writer) => {
    writer.writeString(path.basename(file));
    writer.writeUlonglong(size);
  });
  const tally = new Tally();
  const stream = createReadStream(file, { highWaterMark: chunkSize });
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer>;
  const sender = async (): Promise<void> => {
    // The senders share one iterator, so each chunk goes to one of them, in order.
    for await (const chunk of chunks) {
      const offset = tally.bytes;
      tally.add(chunk);
      const answer = await queue.call('chunk', chunkAt(offset, chunk));
      onProgress(Number(answer.readUlonglong()));
    }
  };
  await Promise.all(Array.from({ length: maxInFlight }, sender));
  const answer = await queue.call('end');
  return { sent: tally.receipt(), receipt: JSON.parse(answer.readString()) as Receipt };
}

/** The payload of a chunk with its offset in the file. */
export function chunkAt(offset: number, bytes: Uint8Array): PayloadConstructor {
  return (writer) => {
    writer.writeUlonglong(offset);
    writer.write(bytes);
  };
}

/** Reads and counts a chunk. It must be the next one of the file. */
export function takeChunk(reader: BinaryReader, tally: Tally): { offset: number; bytes: Uint8Array } {
  const offset = Number(reader.readUlonglong());
  if (offset !== tally.bytes) throw new Error(`received a chunk at byte ${offset} instead of ${tally.bytes}`);
  const bytes = reader.read();
  tally.add(bytes);
  return { offset, bytes };
}

/** The payload of an answer with the number of bytes received so far. */
export function bytesSoFar(bytes: number): PayloadConstructor {
  return (writer) => {
    writer.writeUlonglong(bytes);
  };
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
