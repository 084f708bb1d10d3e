import { noBytes, viewOf, writeU32, type Bytes } from '../util/bytes.js';
import { headerLength, type MessageHead } from '../transport/framing/encoder.js';
import { afterTick } from '../platform/runtime.js';
import type { Transport } from '../transport/transport.js';
import { pooledSize, returnBuffer, forgetBuffers, smallestBuffer, takeBuffer } from './buffer-pool.js';

/**
 * Longer messages go to the transport without a copy. Shorter ones are copied together into a
 * buffer.
 */
export const copyLimit: number = 16 * 1024;
/** Full buffers in one write: an encrypted socket creates one cipher for each write. */
const buffersPerWrite = 2;
/** Limits of the bytes that wait for the end of the tick. */
const smallestBatch = 2 * 1024;
const largestBatch: number = buffersPerWrite * pooledSize;

// Frozen, because all sockets share it.
const noBuffers = Object.freeze<never[]>([]) as never[];
const unfinishedPrefix: readonly Bytes[] = [Uint8Array.of(0)];

/** The part of a transport that a socket writes to. */
export type Outlet = Pick<Transport, 'write' | 'end'>;

/**
 * Frames messages and batches them: all messages of one tick are sent in one or a few writes. Short
 * messages are copied into buffers of the buffer pool, after their length prefix.
 */
export class FrameWriter {
  // Only this class changes these three. They are fields, because each message reads them.
  /** Accepted messages. */
  messages = 0;
  /** Accepted bytes, including length prefixes. */
  accepted = 0;
  /** Bytes that the outlet has finished writing. */
  written = 0;
  readonly #outlet: Outlet;
  readonly #onWritten: () => void;
  /** The buffer that is being filled. Bytes from `#start` to `#end` are not yet among the parts. */
  #buffer: Bytes = noBytes;
  #start = 0;
  #end = 0;
  /** Whether the buffer was taken in this tick. */
  #isFresh = false;
  #parts: Bytes[] = noBuffers;
  /** Full buffers whose last bytes are among the parts. */
  #fullBuffers: Bytes[] = noBuffers;
  /** Buffers of the pool that this writer or its transport still uses. */
  #pooledBuffers = 0;
  /** Bytes that were passed to the outlet. */
  #passedOn = 0;
  #tickStart = 0;
  #batch = smallestBatch;
  /** Whether the outlet applies backpressure: its write returned false. */
  #blocked = false;
  #scheduled = false;
  #ending = false;
  /** Whether nothing may follow, because the end or an unfinished length prefix was written. */
  #ended = false;
  #failed = false;

  /** @param onWritten - called when `written` has grown. */
  constructor(outlet: Outlet, onWritten: () => void) {
    this.#outlet = outlet;
    this.#onWritten = onWritten;
  }

  /** Accepts one message. The bytes of one over `copyLimit` are in use until it is written. */
  put(data: Bytes, head: MessageHead): void {
    const borrow = data.length > copyLimit;
    const prefix = headerLength + head.length;
    const size = borrow ? prefix : prefix + data.length;
    if (this.#buffer.length - this.#end < size) this.#newBuffer(size);
    const buffer = this.#buffer;
    let at = this.#end;
    this.#end = at + size;
    writeU32(buffer, at, head.length + data.length);
    at += headerLength;
    for (let i = 0; i < head.length; i += 1) buffer[at + i] = head.bytes[i] ?? 0;
    if (borrow) {
      this.#seal();
      this.#parts.push(data);
    } else {
      buffer.set(data, at + head.length);
    }
    this.messages += 1;
    this.accepted += prefix + data.length;
    if (this.accepted - this.#passedOn >= this.#batch) {
      this.write();
      this.#batch = Math.min(2 * this.#batch, largestBatch);
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterTick(() => {
      this.#flushTick();
    });
  }

  /** Passes everything to the outlet, unless the outlet applies backpressure. */
  write(): void {
    if (this.#blocked || this.#failed) return;
    this.#seal();
    if (this.#parts !== noBuffers) {
      const parts = this.#parts;
      const buffers = this.#fullBuffers;
      const upTo = this.accepted;
      this.#parts = noBuffers;
      this.#fullBuffers = noBuffers;
      this.#passedOn = upTo;
      const more = this.#outlet.write(parts, () => {
        this.#onDone(upTo, buffers);
      });
      if (!more) this.#blocked = true;
    }
    if (this.#ending) {
      this.#ending = false;
      if (this.#ended) return;
      this.#ended = true;
      this.#outlet.end();
    }
  }

  /** The outlet accepts writes again. */
  drain(): void {
    this.#blocked = false;
    this.write();
  }

  /** Ends this direction after everything accepted so far (half-close). */
  end(): void {
    this.#ending = true;
    this.write();
  }

  /**
   * Ends inside a frame, unless the end was written: writes one byte of a length prefix and never
   * the rest. Some systems report a reset that arrives together with data as a clean end, and Unix
   * sockets have no reset.
   */
  breakOff(): void {
    if (this.#ended || this.#failed) return;
    this.#ended = true;
    this.#outlet.write(unfinishedPrefix);
  }

  /** Drops the unwritten bytes. Buffers that the outlet still uses are not returned to the pool. */
  fail(): void {
    this.#failed = true;
    this.written = this.accepted;
    this.#parts = noBuffers;
    this.#fullBuffers = noBuffers;
    this.#buffer = noBytes;
    this.#start = 0;
    this.#end = 0;
    forgetBuffers(this.#pooledBuffers);
  }

  /**
   * Returns the current buffer to the pool when everything is written, so that an idle socket holds
   * no buffer.
   */
  release(): void {
    const buffer = this.#buffer;
    if (buffer === noBytes || this.accepted > this.written) return;
    if (buffer.length === pooledSize) this.#pooledBuffers -= 1;
    returnBuffer(buffer);
    this.#buffer = noBytes;
    this.#start = 0;
    this.#end = 0;
  }

  #onDone(upTo: number, buffers: readonly Bytes[]): void {
    // A stream that was destroyed can still report a write as done.
    if (this.#failed) return;
    this.written = upTo;
    this.#pooledBuffers -= buffers.length;
    for (const buffer of buffers) returnBuffer(buffer);
    this.#onWritten();
  }

  #flushTick(): void {
    this.#scheduled = false;
    const volume = this.accepted - this.#tickStart;
    this.#tickStart = this.accepted;
    this.#isFresh = false;
    // Half of the tick's volume: the peer can process the first half while this side makes the
    // second. A steady stream gets the largest batches.
    this.#batch = volume >= largestBatch ? largestBatch : Math.max(volume / 2, smallestBatch);
    this.write();
  }

  /**
   * The first buffer of a tick may be small, for a lone message. Later ones have full size, for a
   * stream.
   */
  #newBuffer(size: number): void {
    this.#seal();
    if (this.#buffer.length === pooledSize) {
      if (this.#fullBuffers === noBuffers) this.#fullBuffers = [this.#buffer];
      else this.#fullBuffers.push(this.#buffer);
      this.#buffer = noBytes;
      this.#start = 0;
      this.#end = 0;
      // Write before the next buffer contains bytes: fewer parts are cheaper to write.
      if (this.#fullBuffers.length >= buffersPerWrite) this.write();
    }
    this.#buffer = takeBuffer(Math.max(this.#isFresh ? pooledSize : smallestBuffer, size));
    if (this.#buffer.length === pooledSize) this.#pooledBuffers += 1;
    this.#start = 0;
    this.#end = 0;
    this.#isFresh = true;
  }

  /** Makes the unsealed bytes of the buffer the next part. */
  #seal(): void {
    if (this.#end === this.#start) return;
    const part = viewOf(this.#buffer, this.#start, this.#end);
    if (this.#parts === noBuffers) this.#parts = [part];
    else this.#parts.push(part);
    this.#start = this.#end;
  }
}
