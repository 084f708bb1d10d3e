import { readU32, type Bytes } from '../util/bytes.js';
import { K4netError, toK4netError } from '../errors.js';
import { FrameDecoder } from '../transport/framing/decoder.js';
import { headerLength } from '../transport/framing/encoder.js';
import { Fifo } from '../util/fifo.js';
import type { Transport } from '../transport/transport.js';
import type { AbortHub } from '../util/wait.js';
import { encryptedPeer, foreignPeer } from './wrong-peer.js';
import { PendingReceives, type MessageSource, type ReceiveOptions } from './pending-receives.js';

/** What a chunk costs beside its bytes, so that a flood of tiny ones is counted for what it is. */
const chunkOverhead = 128;
const nothing: Bytes = new Uint8Array(0);

/** What an inbox asks of where its bytes come from. */
export type InboxSource = Pick<Transport, 'resume' | 'start' | 'encrypted'>;

/**
 * What came in: runs of whole frames, and those who wait for one. A message is cut out of its run only when somebody
 * takes it, so what is held is what was received and nothing more.
 *
 * `push` says whether it wants more; the source goes on when it does again, and starts when somebody begins to wait.
 */
export class Inbox implements MessageSource {
  readonly #decoder: FrameDecoder;
  readonly #limit: number;
  readonly #source: InboxSource;
  readonly #receivers: PendingReceives;
  readonly #runs = new Fifo<Bytes>();
  readonly #arrived: Bytes[] = [];
  #owner: (() => void) | undefined;
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
  /** Whether the next message is the first one of a plain peer, or of something else. */
  #checksFirst: boolean;

  /**
   * @param maxSize - the longest message that is accepted, in bytes.
   * @param limit - bytes held before `push` says false.
   */
  constructor(maxSize: number, limit: number, hub: AbortHub, source: InboxSource) {
    this.#decoder = new FrameDecoder(maxSize);
    this.#limit = limit;
    this.#source = source;
    this.#checksFirst = source.encrypted !== true;
    this.#receivers = new PendingReceives(this, hub);
  }

  /** Messages that were taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether the peer's bytes so far end inside a message. */
  get midMessage(): boolean {
    return this.#decoder.midFrame;
  }

  /** Whether it holds as much as it may, so that nothing is read. */
  get full(): boolean {
    return this.#full;
  }

  /**
   * From here on only the owner takes messages, by `size`, `run`, `start` and `cut`.
   *
   * @param onChange - called when messages have come, and at the end.
   */
  acquire(onChange: () => void): void {
    if (this.#owner) throw ownedError();
    if (this.#receivers.length > 0) {
      throw new K4netError(
        'K4NET_STATE',
        'somebody waits for a message of this socket: it cannot be given away now',
      );
    }
    this.#owner = onChange;
  }

  /**
   * Takes bytes from the transport; false when it holds enough.
   *
   * @param alone - nobody else has anything of the chunk's buffer.
   * @throws TooLargeError when the peer announces a message over the limit; those before it can still be taken.
   * `K4NET_ENCRYPTED_PEER` or `K4NET_NOT_K4NET` when the first bytes of a plain connection are those of something else.
   */
  push(chunk: Bytes, alone?: boolean): boolean {
    let failure: K4netError | undefined;
    try {
      this.#decoder.push(chunk, this.#arrived, alone);
    } catch (error) {
      failure = toK4netError(error, 'K4NET_INTERNAL', 'reading failed');
    }
    if (this.#checksFirst) failure = this.#checkFirst(failure);
    for (const run of this.#arrived) {
      this.#held += run.length + chunkOverhead;
      this.#runs.push(run);
    }
    this.#arrived.length = 0;
    if (this.#owner) this.#owner();
    else this.#receivers.serve();
    if (failure) throw failure;
    this.#full = this.#held >= this.#limit;
    return !this.#full;
  }

  /** Looks at the first message, once: what a peer of another kind sends is an error, and no message. */
  #checkFirst(failure: K4netError | undefined): K4netError | undefined {
    const [first] = this.#arrived;
    if (!first) return failure && foreignPeer(failure);
    this.#checksFirst = false;
    const encrypted = encryptedPeer(first);
    if (encrypted) this.#arrived.length = 0;
    return encrypted ?? failure;
  }

  /** No more will come, and why. What is here can still be taken. Only the first call counts. */
  end(error: K4netError): void {
    this.#over ??= error;
    if (this.#owner) this.#owner();
    else if (this.size() < 0) this.#receivers.reject(this.#over);
  }

  /** Drops what is here and ends. */
  discard(error: K4netError): void {
    this.#runs.clear();
    this.#begin(nothing);
    this.#held = 0;
    this.#over = undefined;
    this.end(error);
  }

  get over(): K4netError | undefined {
    return this.size() < 0 ? this.#over : undefined;
  }

  /** The next message if it is here. */
  take(): Bytes | undefined {
    if (this.#owner) throw ownedError();
    const size = this.size();
    return size < 0 ? undefined : this.cut(size);
  }

  /** The messages that are here behind the first one, until there are that many. */
  takeMore(messages: Bytes[], most: number): void {
    while (messages.length < most && !this.#owner) {
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
    if (this.#owner) throw ownedError();
    return this.#receivers.receive(options);
  }

  size(): number {
    if (this.#at >= this.#run.length) {
      const next = this.#runs.peek();
      if (!next) return -1;
      this.#runs.shift();
      this.#begin(next);
    }
    return readU32(this.#run, this.#at);
  }

  comingSize(): number {
    return this.#decoder.pendingSize ?? -1;
  }

  wanted(): void {
    this.#source.start?.();
  }

  /** The bytes among which the next message is, once `size` has found one. */
  get run(): Bytes {
    return this.#run;
  }

  /** Where it begins among them. */
  get start(): number {
    return this.#at + headerLength;
  }

  /** @param skip - bytes at its beginning that are left out. */
  cut(size: number, skip: number = 0): Bytes {
    const start = this.#at + headerLength;
    const message = new Uint8Array(this.#buffer, this.#offset + start + skip, size - skip);
    this.#at = start + size;
    this.#taken += 1;
    if (this.#at >= this.#run.length) this.#release(this.#run.length + chunkOverhead);
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
    this.#begin(nothing);
    if (this.#full && this.#held * 2 <= this.#limit) {
      this.#full = false;
      this.#source.resume();
    }
  }
}

/** The answer to whoever uses a socket that was given to an owner. */
export function ownedError(): K4netError {
  return new K4netError('K4NET_STATE', 'this socket belongs to a QueueSocket: send and receive there');
}
