import type { BinaryReader } from '../binary/reader.js';
import { K4netError } from '../errors.js';
import { iterate } from '../util/iterate.js';

/** The part of a `ReadableStream` that the library uses. */
export interface ItemStreamLike<T> {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: T | undefined }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

/** A sequence of items: an iterable, an async iterable (also a Node stream) or a web stream. */
export type Items<T> = Iterable<T> | AsyncIterable<T> | ItemStreamLike<T>;

/** The body of a call that has none. */
export const noItems: AsyncIterableIterator<BinaryReader, void> = /* @__PURE__ */ iterate<BinaryReader>(() =>
  Promise.resolve({ done: true, value: undefined }),
);

/**
 * Whether the result of a callback is a sequence of items. A collection such as an array is not.
 */
export function isItems(value: unknown): value is Items<unknown> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  return (
    'getReader' in value || Symbol.asyncIterator in value || (Symbol.iterator in value && 'next' in value)
  );
}

/** Ends the source of items that nobody reads. */
export function closeItems(items: Items<unknown>): void {
  const { cancel, destroy, return: end } = items as unknown as Partial<Record<string, () => unknown>>;
  const close = async (): Promise<void> => {
    await (cancel ?? destroy ?? end)?.call(items);
  };
  close().catch(() => undefined);
}

/**
 * Whether items can be read more than once: those of a collection. An iterator or a stream can be
 * read once.
 */
export function isCollection(items: Items<unknown>): boolean {
  return !['next', 'getReader', 'pipe', 'read'].some((method) => method in items);
}

/** The error of items that answer a plain call or a message. Ends their source. */
export function rejectItems(items: Items<unknown>, name: string): K4netError {
  closeItems(items);
  return new K4netError('K4NET_STREAM', `the callback of '${name}' gives items, which only stream can take`);
}
