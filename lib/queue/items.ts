import type { BinaryReader } from '../binary/reader.js';
import { K4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import { iterate } from '../util/iterate.js';

/** The part of a `ReadableStream` that the library uses. */
export interface ReadableStreamLike<T> {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: T | undefined }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

/** A sequence of items: an iterable, an async iterable (also a Node stream) or a web stream. */
export type Items<T> = Iterable<T> | AsyncIterable<T> | ReadableStreamLike<T>;

/** The body of a call that has none. */
export const noItems: AsyncIterableIterator<BinaryReader, void> = /* @__PURE__ */ iterate<BinaryReader>(() =>
  Promise.resolve({ done: true, value: undefined }),
);

/** Whether the result of a callback is a sequence of items. A collection such as an array is not. */
export function isItems(value: unknown): value is Items<unknown> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  return (
    'getReader' in value || Symbol.asyncIterator in value || (Symbol.iterator in value && 'next' in value)
  );
}

/** The items that a callback gives, with their encoding if it is not that of payloads. */
export class EncodedItems {
  readonly items: Items<unknown>;
  readonly encodeItem: ((item: unknown) => Bytes) | undefined;
  readonly encodeAnswer: ((answer: unknown) => Bytes) | undefined;

  constructor(
    items: Items<unknown>,
    encodeItem?: (item: unknown) => Bytes,
    encodeAnswer?: (answer: unknown) => Bytes,
  ) {
    this.items = items;
    this.encodeItem = encodeItem;
    this.encodeAnswer = encodeAnswer;
  }
}

/** The items that the result of a callback contains; undefined if it is an answer. */
export function itemsIn(result: unknown): EncodedItems | undefined {
  if (result instanceof EncodedItems) return result;
  return isItems(result) ? new EncodedItems(result) : undefined;
}

/** The error of items that answer a plain call or a message. Ends their source. */
export function rejectItems({ items }: EncodedItems, name: string): K4netError {
  const { cancel, destroy, return: end } = items as unknown as Partial<Record<string, () => unknown>>;
  const close = async (): Promise<void> => {
    await (cancel ?? destroy ?? end)?.call(items);
  };
  close().catch(() => undefined);
  return new K4netError('K4NET_STREAM', `the callback of '${name}' gives items, which only stream can take`);
}
