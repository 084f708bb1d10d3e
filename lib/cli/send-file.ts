import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { QueueSocket } from '../queue/queue-socket.js';
import { chunkAt } from './chunk.js';
import { Tally, type Receipt } from './tally.js';

export const chunkSize: number = 256 * 1024;
const underWay = 8;

/** What was sent, and what the other end says it got. */
export interface Sent {
  readonly sent: Receipt;
  readonly receipt: Receipt;
}

/**
 * Sends a file by calls of `begin`, `chunk` and `end`. While one chunk waits for its answer the next ones are sent, but
 * never more than a few: a file of any length takes the same memory.
 *
 * @param onProgress - told how many bytes the other end has answered for.
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
    // Every sender takes the next chunk from the same iterator, which gives each to one of them, in order.
    for await (const chunk of chunks) {
      const offset = tally.bytes;
      tally.add(chunk);
      const answer = await queue.call('chunk', chunkAt(offset, chunk));
      onProgress(Number(answer.readUlonglong()));
    }
  };
  await Promise.all(Array.from({ length: underWay }, sender));
  const answer = await queue.call('end');
  return { sent: tally.receipt(), receipt: JSON.parse(answer.readString()) as Receipt };
}
