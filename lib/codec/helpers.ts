import type { BinaryReader } from '../binary/reader.js';
import { EndOfDataError, MalformedError } from '../errors.js';

/** Largest depth of nested values. It limits the stack that a payload of a peer can use. */
export const maxDepth: number = 64;

/** One step of an error path: the name of a field or the index of an element. */
export type Step = string | number;

interface ErrorPath {
  readonly error: unknown;
  /** Innermost first. */
  readonly steps: Step[];
}

// The paths are stored beside the errors: an error that a codec throws stays unchanged, and a value
// without an error costs nothing.
const paths = new WeakMap<object, ErrorPath>();

/**
 * Adds a step to the path of an error that passes through a part.
 *
 * @param cursor - the reader or writer: each payload has its own, so paths do not mix.
 */
export function addPathStep(cursor: object, error: unknown, step: Step): void {
  const path = paths.get(cursor);
  if (path !== undefined && path.error === error) path.steps.push(step);
  else paths.set(cursor, { error, steps: [step] });
}

/** The path to the part that an error came from; empty for the payload itself. */
export function pathOf(cursor: object, error: unknown): string {
  const path = paths.get(cursor);
  return path !== undefined && path.error === error ? formatPath(path.steps.toReversed()) : '';
}

const word = /^[A-Za-z_$][\w$]*$/;

/** Steps as a program would write them, such as `items[3].who`. */
export function formatPath(steps: readonly Step[]): string {
  let path = '';
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`;
    else if (!word.test(step)) path += `[${JSON.stringify(step)}]`;
    else path += path === '' ? step : `.${step}`;
  }
  return path;
}

/** The path of a part inside another part. */
export function joinPaths(outer: string, inner: string): string {
  const dot = outer === '' || inner === '' || inner.startsWith('[') ? '' : '.';
  return `${outer}${dot}${inner}`;
}

/**
 * An error about the bytes since `from`. Moves the reader back to `from`, which is the offset of
 * the error.
 */
export function malformed(reader: BinaryReader, from: number, what: string): MalformedError {
  const data = reader.data.subarray(from, reader.tell());
  reader.seek(from);
  return new MalformedError(what, data);
}

/**
 * Reads a count of elements.
 *
 * @param minSize - smallest size of an element. A count that cannot fit the remaining bytes throws
 * before any memory is allocated for it.
 */
export function readCount(reader: BinaryReader, minSize: number): number {
  const count = reader.readUint32();
  const { remaining } = reader;
  if (count * minSize > remaining) throw new EndOfDataError(reader.tell(), count * minSize, remaining);
  return count;
}

/** Reads a byte that is the index of one of some choices. */
export function readOneOf<T extends string | object>(
  reader: BinaryReader,
  choices: readonly T[],
  what: string,
): T {
  const index = reader.readUint8();
  const found = choices[index];
  if (found !== undefined) return found;
  throw malformed(reader, reader.tell() - 1, `${what} must be from 0 to ${choices.length - 1}, not ${index}`);
}

/**
 * Reads a byte that is 0 or 1. Other values are rejected, so that a value has only one encoding.
 */
export function readFlag(reader: BinaryReader, what: string): boolean {
  const flag = reader.readUint8();
  if (flag <= 1) return flag === 1;
  throw malformed(reader, reader.tell() - 1, `${what} must be 0 or 1, not ${flag}`);
}
