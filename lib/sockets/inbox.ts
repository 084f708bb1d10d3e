import { readU32, type Bytes } from '../bytes.js';
import { TimeoutError, TooLargeError, type K4netError } from '../errors.js';
import { FrameDecoder } from '../framing/decoder.js';
import { headerLength } from '../framing/encoder.js';
import { bounded, Deferred, quiet, rejected, type AbortHub, type WaitOptions } from '../waiting.js';
import { Fifo } from '../fifo.js';

/** What a chunk costs beside its bytes, so that a flood of tiny ones is counted for what it is. */
const chunkOverhead = 128;
const nothing: Bytes = new Uint8Array(0);

/** How many milliseconds, whose signal, and the longest message that this caller takes. */
export interface InboxWait extends WaitOptions {
  readonly maxSize?: number | undefined;
}

interface Waiter {
  readonly deferred: Deferred<Bytes>;
  readonly maxSize: number;
}

/**
 * What came in and who waits for it: runs of whole frames on one side, waiters in order on the other. There is never
 * a message and a waiter at the same time. A message is cut out of its run only when somebody takes it, so what is
 * held is what was received and nothing more.
 *
 * It does not know its transport: `push` says whether it wants more, `onRoom` is called when it does again,
 * and `onWanted` when somebody begins to wait.
 */
export class Inbox {
  readonly #decoder: FrameDecoder;
  readonly #limit: number;
  readonly #hub: AbortHub;
  readonly #onRoom: () => void;
  readonly #onWanted: () => void;
  readonly #runs = new Fifo<Bytes>();
  readonly #arrived: Bytes[] = [];
  readonly #waiters = new Fifo<Waiter>();
  #held = 0;
  #full = false;
  /** The run that is being taken apart: its bytes from `#at` on. */
  #run: Bytes = nothing;
  #at = 0;
  /** Its buffer and where it begins there: asking a typed array for its buffer costs as much as making a view. */
  #buffer: ArrayBufferLike = nothing.buffer;
  #offset = 0;
  #over: K4netError | undefined;
  #taken = 0;

  /**
   * @param maxSize - the longest message that is accepted, in bytes.
   * @param limit - bytes held before `push` says false.
   */
  constructor(maxSize: number, limit: number, hub: AbortHub, onRoom: () => void, onWanted: () => void) {
    this.#decoder = new FrameDecoder(maxSize);
    this.#limit = limit;
    this.#hub = hub;
    this.#onRoom = onRoom;
    this.#onWanted = onWanted;
  }

  /** Messages that were taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether the peer's bytes so far end inside a message. */
  get midMessage(): boolean {
    return this.#decoder.midFrame;
  }

  /**
   * Takes bytes from the transport; false when it holds enough.
   *
   * @throws TooLargeError when the peer announces a message over the limit; those before it can still be taken.
   */
  push(chunk: Bytes): boolean {
    try {
      this.#decoder.push(chunk, this.#arrived);
    } finally {
      for (const run of this.#arrived) {
        this.#held += run.length + chunkOverhead;
        this.#runs.push(run);
      }
      this.#arrived.length = 0;
      this.#serve();
    }
    this.#full = this.#held >= this.#limit;
    return !this.#full;
  }

  /** No more will come, and why. What is here can still be taken. Only the first call counts. */
  end(error: K4netError): void {
    this.#over ??= error;
    if (this.#size() >= 0) return;
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift())
      waiter.deferred.reject(this.#over);
  }

  /** Drops what is here and ends. */
  discard(error: K4netError): void {
    this.#runs.clear();
    this.#begin(nothing);
    this.#held = 0;
    this.#over = undefined;
    this.end(error);
  }

  /** Why no more will come, once everything was taken. */
  get over(): K4netError | undefined {
    return this.#size() < 0 ? this.#over : undefined;
  }

  /** The next message if it is here. */
  take(): Bytes | undefined {
    const size = this.#size();
    return size < 0 ? undefined : this.#cut(size);
  }

  /** The next message, or a wait for it in the order of the calls. */
  receive({ maxSize = Infinity, timeout, signal }: InboxWait): Promise<Bytes> {
    if (signal?.aborted) return rejected(signal.reason);
    if (this.#waiters.length === 0) {
      const size = this.#size();
      if (size > maxSize) return rejected(new TooLargeError(size, maxSize));
      if (size >= 0) return Promise.resolve(this.#cut(size));
      if (this.#over) return rejected(this.#over);
      const coming = this.#decoder.pendingSize;
      if (coming !== undefined && coming > maxSize) return rejected(new TooLargeError(coming, maxSize));
    }
    this.#onWanted();
    if (timeout === 0) return rejected(new TimeoutError('a message', 0));
    const waiter: Waiter = { deferred: new Deferred(), maxSize };
    this.#waiters.push(waiter);
    const promise = quiet(waiter.deferred.promise);
    if (timeout === undefined && signal === undefined) return promise;
    const cancel = (reason: unknown): void => {
      if (!this.#waiters.remove(waiter)) return;
      waiter.deferred.reject(reason);
      // The next in line may be one who does not take the message that is coming in.
      this.#serve();
    };
    return quiet(bounded(promise, { timeout, signal }, this.#hub, cancel, 'a message'));
  }

  #serve(): void {
    for (let waiter = this.#waiters.peek(); waiter; waiter = this.#waiters.peek()) {
      const whole = this.#size();
      const size = whole >= 0 ? whole : (this.#decoder.pendingSize ?? -1);
      if (size > waiter.maxSize) waiter.deferred.reject(new TooLargeError(size, waiter.maxSize));
      else if (whole >= 0) waiter.deferred.resolve(this.#cut(whole));
      else return;
      this.#waiters.shift();
    }
  }

  /** Length of the next message, -1 if there is none. */
  #size(): number {
    if (this.#at >= this.#run.length) {
      const next = this.#runs.peek();
      if (!next) return -1;
      this.#runs.shift();
      this.#begin(next);
    }
    return readU32(this.#run, this.#at);
  }

  #begin(run: Bytes): void {
    this.#run = run;
    this.#at = 0;
    this.#buffer = run.buffer;
    this.#offset = run.byteOffset;
  }

  #cut(size: number): Bytes {
    const start = this.#at + headerLength;
    const message = new Uint8Array(this.#buffer, this.#offset + start, size);
    this.#at = start + size;
    this.#taken += 1;
    if (this.#at >= this.#run.length) this.#release(this.#run.length + chunkOverhead);
    return message;
  }

  #release(bytes: number): void {
    this.#held -= bytes;
    this.#begin(nothing);
    if (this.#full && this.#held * 2 <= this.#limit) {
      this.#full = false;
      this.#onRoom();
    }
  }
}
