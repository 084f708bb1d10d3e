import type { BinaryReader } from '../binary/reader.js';
import type { PayloadConstructor } from '../queue/types.js';
import type { Tally } from './tally.js';

/** Writes a part of a file with its place in it. */
export function chunkAt(offset: number, bytes: Uint8Array): PayloadConstructor {
  return (writer) => {
    writer.writeUlonglong(offset);
    writer.write(bytes);
  };
}

/** Reads such a part, which has to be the next one of the file, and counts it. */
export function takeChunk(reader: BinaryReader, tally: Tally): { offset: number; bytes: Uint8Array } {
  const offset = Number(reader.readUlonglong());
  if (offset !== tally.bytes) throw new Error(`byte ${tally.bytes} should come next, not ${offset}`);
  const bytes = reader.read();
  tally.add(bytes);
  return { offset, bytes };
}

/** Answers with how many bytes of the file are there. */
export function bytesSoFar(bytes: number): PayloadConstructor {
  return (writer) => {
    writer.writeUlonglong(bytes);
  };
}
