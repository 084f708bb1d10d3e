import { kindOf, noBytes, type Bytes } from '../../util/bytes.js';
import type { ItemStreamLike } from '../items.js';

/** One step of a source. The value of the last step is the return value of a generator. */
export interface Step {
  readonly done?: boolean | undefined;
  readonly value?: unknown;
}

/** A sequence of items that is read one by one. */
export interface Source {
  /** Whether each step is there at once. */
  readonly sync: boolean;
  next(): Step | PromiseLike<Step>;
  /** Ends it early: the `finally` blocks of a generator run, and a stream is destroyed. */
  close(): unknown;
}

/** A source whose steps are there at once. */
interface SyncSource extends Source {
  next(): Step;
}

export function isSync(source: Source): source is SyncSource {
  return source.sync;
}

/** Longer pieces of a byte stream are divided: where they end has no meaning. */
const maxPiece = 64 * 1024;

/** Reads a sequence of items. Throws a TypeError for another value. */
export function sourceOf(value: unknown): Source {
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    if (isReadableStream(value)) return divided(streamSource(value));
    const { pipe, readableObjectMode } = value as { pipe?: unknown; readableObjectMode?: unknown };
    const source = iteratorSource(value);
    if (source) return typeof pipe === 'function' && readableObjectMode !== true ? divided(source) : source;
  }
  throw new TypeError(`a body must be an iterable, an async iterable or a stream, not ${kindOf(value)}`);
}

/** Ends a source whose error has no receiver. */
export function discardSource(source: Source): void {
  const close = async (): Promise<void> => {
    await source.close();
  };
  close().catch(() => undefined);
}

function isReadableStream(value: object): value is ItemStreamLike<unknown> {
  return 'getReader' in value && typeof value.getReader === 'function';
}

function streamSource(stream: ItemStreamLike<unknown>): Source {
  const reader = stream.getReader();
  return { sync: false, next: () => reader.read(), close: () => reader.cancel() };
}

interface AnyIterator {
  next(): Step | PromiseLike<Step>;
  return?(): unknown;
}

function iteratorSource(value: object): Source | undefined {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = value as {
    [Symbol.asyncIterator]?: () => AnyIterator;
    [Symbol.iterator]?: () => AnyIterator;
  };
  const start = async ?? sync;
  if (!start) return undefined;
  const iterator = start.call(value);
  return {
    sync: !async,
    next: () => iterator.next(),
    close: () => {
      // The iterator of a Node stream returns only after the read in progress.
      const { destroy } = value as { destroy?: () => void };
      if (typeof destroy === 'function') destroy.call(value);
      return iterator.return?.();
    },
  };
}

function divided(source: Source): Source {
  let rest: Bytes = noBytes;
  const cut = (bytes: Bytes): Step => {
    rest = bytes.subarray(maxPiece);
    return { done: false, value: bytes.subarray(0, maxPiece) };
  };
  return {
    sync: false,
    next: async () => {
      if (rest.length > 0) return cut(rest);
      const step = await source.next();
      const long = step.value instanceof Uint8Array && step.value.length > maxPiece;
      return long ? cut(step.value) : step;
    },
    close: () => source.close(),
  };
}
