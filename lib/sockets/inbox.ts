import { noBytes, readU32, type Bytes } from '../util/bytes.js';
import { K4netError, toK4netError } from '../errors.js';
import { FrameDecoder, type RunSink } from '../transport/framing/decoder.js';
import { headerLength } from '../transport/framing/encoder.js';
import { Fifo } from '../util/fifo.js';
import type { Transport } from '../transport/transport.js';
import type { AbortHub, Deferred } from '../util/wait.js';
import type { OwnedMessages } from './acquire.js';
import { encryptedPeer, foreignPeer } from './wrong-peer.js';
import { PendingReceives, type ReceiveOptions, type Receiver } from './pending-receives.js';

/**
 * Memory of a run in addition to its bytes. It counts against the limit, so that a flood of tiny
 * chunks is bounded too.
 */
const runOverhead = 128;

/** The part of a transport that an inbox needs. */
export type InboxSource = Pick<Transport, 'resume' | 'start' | 'encrypted'>;

/**
 * The received messages that were not taken yet. It holds runs of whole frames and makes the view
 * of a message only when a receive takes it, so it needs little memory besides the received bytes.
 *
 * Backpressure: `push` returns false when `recvSize` bytes are held. The transport resumes when
 * half of them were taken.
 */
export class Inbox implements OwnedMessages, RunSink {
  readonly #decoder: FrameDecoder;
  readonly #limit: number;
  readonly #source: InboxSource;
  readonly #receivers: PendingReceives;
  /** Further runs after `#run`. */
  readonly #runs = new Fifo<Bytes>();
  #onChange: (() => void) | undefined;
  #held = 0;
  #full = false;
  /** The run that the next message is in; its remaining bytes begin at `#at`. */
  #run: Bytes = noBytes;
  #at = 0;
  /**
   * The buffer of the run and the offset of the run in it. To read them from the typed array would
   * cost as much as to make a view.
   */
  #buffer: ArrayBufferLike = noBytes.buffer;
  #offset = 0;
  #over: K4netError | undefined;
  #taken = 0;
  /** Whether the first message still has to be checked for a peer of another protocol. */
  #checksFirst: boolean;

  /**
   * @param maxSize - the longest accepted message, in bytes.
   * @param limit - held bytes from which `push` returns false.
   */
  constructor(maxSize: number, limit: number, hub: AbortHub, source: InboxSource) {
    this.#decoder = new FrameDecoder(maxSize);
    this.#limit = limit;
    this.#source = source;
    this.#checksFirst = source.encrypted !== true;
    this.#receivers = new PendingReceives(this, hub);
  }

  /** Messages taken so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether the received bytes end inside a message. */
  get midMessage(): boolean {
    return this.#decoder.midFrame;
  }

  /** Whether the inbox is full, so that nothing is read from the peer. */
  get full(): boolean {
    return this.#full;
  }

  /**
   * Hands the inbox over to an owner: from now on only the owner takes messages, with `size`,
   * `run`, `start` and `cut`.
   *
   * @param onChange - called when messages have arrived, and at the end.
   */
  acquire(onChange: () => void): void {
    if (this.#onChange) throw ownedError();
    if (!this.#receivers.isEmpty) {
      throw new K4netError(
        'K4NET_STATE',
        'a QueueSocket cannot take over a socket while recv() or a loop waits on it',
      );
    }
    this.#onChange = onChange;
  }

  /**
   * Takes bytes from the transport; returns false when the inbox is full.
   *
   * @param exclusive - nothing else uses the buffer of the chunk.
   * @throws TooLargeError when the peer announces a message over the limit; earlier messages can
   * still be taken. `K4NET_ENCRYPTED_PEER` or `K4NET_NOT_K4NET` when the first bytes of a plain
   * connection are of another protocol.
   */
  push(chunk: Bytes, exclusive?: boolean): boolean {
    let failure: K4netError | undefined;
    try {
      this.#decoder.push(chunk, this, exclusive);
    } catch (error) {
      failure = toK4netError(error, 'K4NET_INTERNAL', 'reading failed');
      if (this.#checksFirst) failure = foreignPeer(failure);
    }
    if (this.#onChange) this.#onChange();
    else this.#receivers.serve();
    if (failure) throw failure;
    this.#full = this.#held >= this.#limit;
    return !this.#full;
  }

  addRun(run: Bytes): void {
    if (this.#checksFirst) {
      const failure = encryptedPeer(run);
      if (failure) throw failure;
      this.#checksFirst = false;
    }
    this.#held += run.length + runOverhead;
    if (this.#run === noBytes) this.#begin(run);
    else this.#runs.push(run);
  }

  /**
   * Ends the inbox with a reason: no further message arrives. Held messages can still be taken.
   * Only the first call has an effect.
   */
  end(error: K4netError): void {
    this.#over ??= error;
    if (this.#onChange) this.#onChange();
    else if (this.size() < 0) this.#receivers.reject(this.#over);
  }

  /** Drops the held messages and ends. */
  discard(error: K4netError): void {
    this.#runs.clear();
    this.#begin(noBytes);
    this.#held = 0;
    this.#over = undefined;
    this.end(error);
  }

  get over(): K4netError | undefined {
    return this.size() < 0 ? this.#over : undefined;
  }

  /** The next message, or undefined if none has arrived. */
  take(): Bytes | undefined {
    if (this.#onChange) throw ownedError();
    const size = this.size();
    return size < 0 ? undefined : this.cut(size);
  }

  /** Adds messages that have arrived until the list has `limit` messages. */
  takeMore(messages: Bytes[], limit: number): void {
    while (messages.length < limit && !this.#onChange) {
      const size = this.size();
      if (size < 0) return;
      messages.push(this.cut(size));
    }
  }

  /**
   * The next message, or a wait for it in the order of the calls.
   *
   * @throws K4netError `K4NET_STATE` when the inbox has an owner.
   */
  receive(options: ReceiveOptions): Promise<Bytes> {
    if (this.#onChange) throw ownedError();
    return this.#receivers.receive(options);
  }

  /** Waits for the next message, after `take` has returned none. */
  wait<T>(receiver: Receiver & Deferred<T>): Promise<T> {
    if (this.#over) receiver.fail(this.#over);
    else this.#receivers.add(receiver);
    return receiver.promise;
  }

  size(): number {
    return this.#run === noBytes ? -1 : readU32(this.#run, this.#at);
  }

  comingSize(): number {
    return this.#decoder.pendingSize ?? -1;
  }

  wanted(): void {
    this.#source.start?.();
  }

  /** The bytes that contain the next message, once `size` has found one. */
  get run(): Bytes {
    return this.#run;
  }

  /** The index of the next message in `run`. */
  get start(): number {
    return this.#at + headerLength;
  }

  /** @param skip - bytes at the beginning of the message to leave out. */
  cut(size: number, skip: number = 0): Bytes {
    const start = this.#at + headerLength;
    const message = new Uint8Array(this.#buffer, this.#offset + start + skip, size - skip);
    this.#at = start + size;
    this.#taken += 1;
    if (this.#at >= this.#run.length) this.#release(this.#run.length + runOverhead);
    return message;
  }

  #begin(run: Bytes): void {
    this.#run = run;
    this.#at = 0;
    this.#buffer = run.buffer;
    this.#offset = run.byteOffset;
  }

  #release(bytes: number): void {
    this.#held -= bytes;
    // Every run counts its overhead, so zero bytes mean no run.
    this.#begin((this.#held > 0 ? this.#runs.shift() : undefined) ?? noBytes);
    if (this.#full && this.#held * 2 <= this.#limit) {
      this.#full = false;
      this.#source.resume();
    }
  }
}

/** The error of a call on a socket that a QueueSocket owns. */
export function ownedError(): K4netError {
  return new K4netError(
    'K4NET_STATE',
    'a QueueSocket owns this socket: send and receive through the QueueSocket',
  );
}
