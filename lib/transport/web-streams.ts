import { duplexTransport } from '#duplex';
import { K4netError, wrapError } from '../errors.js';
import { allocateUnsafe, nextTurn } from '../platform/runtime.js';
import { kindOf, type Bytes } from '../util/bytes.js';
import type { NodeStreamPair } from './duplex-like.js';
import { maxBytesPerTurn, type Sink, type Transport } from './transport.js';
import { WriteQueue } from './write-queue.js';

/** The part of a `ReadableStream` of bytes that the library uses. */
export interface ReadableStreamLike {
  readonly locked: boolean;
  getReader(): {
    readonly closed: Promise<unknown>;
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
    cancel(reason?: unknown): Promise<unknown>;
  };
}

/** The part of a `WritableStream` of bytes that the library uses. */
export interface WritableStreamLike {
  readonly locked: boolean;
  getWriter(): {
    readonly closed: Promise<unknown>;
    write(chunk: Bytes): Promise<unknown>;
    close(): Promise<unknown>;
    abort(reason?: unknown): Promise<unknown>;
  };
}

/**
 * Two Web Streams of bytes, one for each direction, such as a `WebTransportBidirectionalStream`.
 */
export interface WebStreamPair {
  readonly readable: ReadableStreamLike;
  readonly writable: WritableStreamLike;
}

/** Two streams of bytes, one for each direction: Web Streams, or streams of Node. */
export type StreamPair = WebStreamPair | NodeStreamPair;

type Reader = ReturnType<ReadableStreamLike['getReader']>;
type Writer = ReturnType<WritableStreamLike['getWriter']>;
type Read = Awaited<ReturnType<Reader['read']>>;

/**
 * Bytes that may be with the writable at once: `write()` that resolves is its only backpressure.
 */
const maxInFlight = 64 * 1024;
/** Half of it, so that the stream has the next chunk when it is done with one. */
const maxChunk = maxInFlight / 2;
/** A shorter chunk counts as so many bytes: each one costs a few objects and microtasks. */
const minCost = 1024;

/** Whether a value has the shape of a pair of streams. */
export function isStreamPair(value: unknown): value is StreamPair {
  if (typeof value !== 'object' || value === null) return false;
  const { readable, writable } = value as Partial<Record<string, unknown>>;
  return (
    (hasMethod(readable, 'getReader') && hasMethod(writable, 'getWriter')) ||
    (hasMethod(readable, 'resume') && hasMethod(writable, 'write'))
  );
}

/** Returns the transport over a pair of streams. */
export function streamPairTransport(pair: StreamPair): Transport {
  return 'getReader' in pair.readable
    ? new WebStreamTransport(pair as WebStreamPair)
    : duplexTransport(pair as NodeStreamPair);
}

/** Two Web Streams as a transport, which locks both. Its half-close is that of the streams. */
export class WebStreamTransport implements Transport {
  readonly remoteAddress = '';
  readonly localAddress = '';
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #queue: WriteQueue = new WriteQueue();
  #sink: Sink | undefined;
  #starting = false;
  /** The sink applies backpressure: no data until `resume`. */
  #paused = false;
  /** No data until the next turn of the event loop. */
  #resting = false;
  /** Cost of what was delivered since the last rest. */
  #delivered = 0;
  #reading = false;
  /** A read that was under way when a new sink was attached. */
  #held: Promise<Read> | undefined;
  /** Cost of the chunks whose `write()` has not resolved. */
  #inFlight = 0;
  /** The sink waits for `drain`. */
  #needDrain = false;
  /** `end` was called; `#finished`: the writable has closed. */
  #ending = false;
  #finished = false;
  /** The sink has been notified of the peer's end. */
  #ended = false;
  #gone = false;
  #closed = false;
  #cause: K4netError | undefined;

  constructor({ readable, writable }: WebStreamPair) {
    for (const [name, { locked }] of Object.entries({ readable, writable })) {
      if (locked) throw new TypeError(`the ${name} of the pair is locked: other code reads or writes it`);
    }
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
    // A failure shows here also while the sink is paused and nothing is written.
    this.#reader.closed.catch(this.#onFailure);
    this.#writer.closed.then(() => {
      this.#finished = true;
      this.#settle();
    }, this.#onFailure);
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#sink = sink;
    this.#paused = false;
    this.#starting = true;
    nextTurn(() => {
      if (this.#sink !== sink || this.#closed) return;
      this.#starting = false;
      if (this.#gone) this.#close();
      else if (surplus === undefined || surplus.length === 0) this.#flow();
      else this.#deliver(sink, surplus);
    });
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    if (this.#gone || this.#ending) return true;
    this.#queue.push(parts, done);
    this.#send();
    this.#needDrain = !this.#queue.isEmpty;
    return !this.#needDrain;
  }

  end(): void {
    if (this.#gone || this.#ending) return;
    this.#ending = true;
    this.#send();
  }

  abort(cause?: K4netError): void {
    this.#drop(cause ?? new K4netError('K4NET_CONNECTION', 'this side cut the connection'));
  }

  ref(): void {
    // Web Streams have no such control.
  }

  unref(): void {
    // Web Streams have no such control.
  }

  #flow(): void {
    if (this.#reading || this.#starting || this.#paused || this.#resting) return;
    if (this.#gone || this.#ended || !this.#sink) return;
    this.#reading = true;
    const read = this.#held ?? this.#reader.read();
    this.#held = undefined;
    read.then((result) => {
      this.#reading = false;
      if (this.#starting) this.#held = Promise.resolve(result);
      else if (this.#sink && !this.#gone) this.#onRead(this.#sink, result);
    }, this.#onFailure);
  }

  #onRead(sink: Sink, { done, value }: Read): void {
    if (done) {
      this.#ended = true;
      sink.end();
      this.#settle();
    } else if (value instanceof Uint8Array) {
      this.#deliver(sink, value);
    } else {
      this.abort(new K4netError('K4NET_CONNECTION', `the stream gave ${kindOf(value)}, not bytes`));
    }
  }

  #deliver(sink: Sink, chunk: Bytes): void {
    this.#delivered += costOf(chunk);
    const more = chunk.length === 0 || sink.data(chunk);
    // The sink can hand over inside data(): its result does not count for the new sink.
    if (this.#sink !== sink) return;
    this.#paused = !more;
    if (this.#delivered >= maxBytesPerTurn) this.#rest();
    this.#flow();
  }

  /** Delivers nothing more in this turn of the event loop. */
  #rest(): void {
    this.#delivered = 0;
    this.#resting = true;
    nextTurn(() => {
      this.#resting = false;
      this.#flow();
    });
  }

  #send(): void {
    while (!this.#queue.isEmpty && this.#inFlight <= maxInFlight - maxChunk) {
      // A copy, since an identity stream passes its chunks on to a reader, who keeps them.
      const chunk = allocateUnsafe(Math.min(maxChunk, this.#queue.length));
      const done = this.#queue.fill(chunk, 0);
      // The stream may transfer the chunk, which then has no length.
      const cost = costOf(chunk);
      this.#inFlight += cost;
      this.#writer.write(chunk).then(() => {
        this.#inFlight -= cost;
        this.#onWritten(done);
      }, this.#onFailure);
    }
    // The promise `closed` of the writer settles with the result.
    if (this.#ending && this.#queue.isEmpty) this.#writer.close().catch(ignore);
  }

  #onWritten(done: readonly (() => void)[]): void {
    for (const each of done) if (!this.#gone) each();
    if (this.#gone) return;
    this.#send();
    if (!this.#needDrain || !this.#queue.isEmpty) return;
    this.#needDrain = false;
    this.#sink?.drain();
  }

  /** Wraps errors of this library too: they may belong to the other end of a pair in memory. */
  readonly #onFailure = (thrown: unknown): void => {
    this.#drop(wrapError(thrown, 'K4NET_CONNECTION', 'the stream broke'));
  };

  #settle(): void {
    if (this.#ended && this.#finished) this.#drop(undefined);
  }

  #drop(cause: K4netError | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cause = cause;
    this.#queue.clear();
    this.#held = undefined;
    if (cause) {
      // An identity stream hands the reason to the program at its other end.
      const reason = new Error('the connection was cut');
      this.#writer.abort(reason).catch(ignore);
      this.#reader.cancel(reason).catch(ignore);
    }
    nextTurn(() => {
      this.#close();
    });
  }

  #close(): void {
    if (this.#closed || this.#starting || !this.#sink) return;
    this.#closed = true;
    this.#sink.close(this.#cause);
  }
}

function costOf(chunk: Bytes): number {
  return Math.max(chunk.length, minCost);
}

function hasMethod(value: unknown, name: string): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Record<string, unknown>>)[name] === 'function'
  );
}

function ignore(): void {
  // The promise `closed` of the reader or writer rejects too.
}
