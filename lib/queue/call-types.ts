import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import type { AbortSignalLike } from '../util/wait.js';
import type { Items } from './items.js';

/** Writes the payload of a message. It is called once and writes synchronously. */
export type PayloadConstructor = (writer: BinaryWriter) => void;

/**
 * The payload of a message: bytes, text, or a function that writes it.
 *
 * Text is sent as its UTF-8 bytes without a terminator. `readString` needs a terminator: it reads
 * text that `writeString` wrote.
 */
export type Payload = Uint8Array | string | PayloadConstructor;

/** Options of {@link QueueSocket.call}. */
export interface CallOptions {
  /**
   * Milliseconds to wait for the answer, including the wait for room to send. Default:
   * `callTimeout` of the socket.
   *
   * With a `body` the time counts only while this side waits for the peer: until the callback reads
   * on, and from the end of the body to the answer.
   */
  readonly timeout?: number | undefined;
  /** Cancels the call when it aborts. The signal of the remote callback aborts too. */
  readonly signal?: AbortSignalLike | undefined;
  /**
   * Items that follow the payload: any iterable or async iterable of payloads, a `ReadableStream`
   * or a Node stream. The callback reads them from `context.body`. An item has at most half of the
   * `streamWindow` of the peer; pieces of a byte stream are divided to fit 64 KiB.
   */
  readonly body?: Items<Payload> | undefined;
}

/** Options of {@link QueueSocket.stream}. */
export interface StreamOptions extends CallOptions {
  /** Milliseconds to wait for the first item or the answer. Default Infinity. */
  readonly timeout?: number | undefined;
  /** Milliseconds to wait for each further item. Default Infinity. */
  readonly idleTimeout?: number | undefined;
}

/** The items that answer a call, for `for await`, and the answer itself. */
export interface AnswerStream<Item = BinaryReader, Answer = BinaryReader> extends AsyncIterableIterator<
  Item,
  void
> {
  /**
   * Resolves with the answer: the value that the generator of the peer returned. Rejects with the
   * error that ends the items; then it needs no handler of its own.
   */
  readonly answer: Promise<Answer>;
  next(): Promise<IteratorResult<Item, void>>;
  /** Cancels the call, as `break` in a loop does: the generator of the peer returns. */
  return(): Promise<IteratorResult<Item, void>>;
  [Symbol.asyncIterator](): this;
  /** Cancels the call, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
