import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import type { AbortSignalLike, GivenAbortSignal } from '../util/wait.js';
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

/** The second argument of a callback, for a queue of this type. */
export interface ContextOf<Socket> {
  /** The queue that received the message. */
  readonly socket: Socket;
  /** The name of the message. */
  readonly name: string;
  /**
   * Aborts when the socket closes. The signal of a request also aborts when the caller
   * cancels: its timeout has passed or its signal has aborted.
   */
  readonly signal: GivenAbortSignal;
  /**
   * The items of the body of the call, for `for await`; none for a message or a call without a
   * body. `break` stops the body.
   */
  readonly body: AsyncIterableIterator<BinaryReader, void>;
}

/** Options of {@link QueueSocket.registerCallback}. */
export interface CallbackOptions {
  /**
   * Number of calls of this callback that run at a time, messages and requests together,
   * independent of all other callbacks. Default: messages share the `concurrency` of the socket,
   * requests its `requestConcurrency`.
   */
  readonly concurrency?: number | undefined;
  /** Among waiting messages, higher priorities start first. Default 0. */
  readonly priority?: number | undefined;
  /**
   * Whether requests of this name run in the order of the messages: after the messages before them,
   * and before the messages after them. They share the `concurrency` of the socket with messages. A
   * streaming call starts in this order, and does not delay the messages after its start. Default
   * false: a request does not wait for messages. Excludes `concurrency`.
   */
  readonly ordered?: boolean | undefined;
}
