import type { BinaryReader } from '../binary/reader.js';
import { EndOfDataError, MalformedError } from '../errors.js';

/** The error for bytes from `from` to the position, to which the reader goes back: that is where the fault is. */
export function malformed(reader: BinaryReader, from: number, what: string): MalformedError {
  const data = reader.data.subarray(from, reader.tell());
  reader.seek(from);
  return new MalformedError(what, data);
}

/** A count of things that take `least` bytes or more each, compared with what is left before anybody makes room. */
export function readCount(reader: BinaryReader, least: number): number {
  const count = reader.readUint32();
  const { remaining } = reader;
  if (count * least > remaining) throw new EndOfDataError(reader.tell(), count * least, remaining);
  return count;
}

/** One of some things, by a byte with its number. */
export function readOneOf<T extends string | object>(
  reader: BinaryReader,
  all: readonly T[],
  what: string,
): T {
  const found = all[reader.readUint8()];
  if (found !== undefined) return found;
  throw malformed(reader, reader.tell() - 1, `${what} is from 0 to ${all.length - 1}`);
}

/** A byte that is 0 or 1: any other would make two payloads of one value. */
export function readFlag(reader: BinaryReader, what: string): boolean {
  const flag = reader.readUint8();
  if (flag <= 1) return flag === 1;
  throw malformed(reader, reader.tell() - 1, `${what} is 0 or 1`);
}
