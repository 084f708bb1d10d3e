import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import { headerLength, noHead, writeHeader, type MessageHead } from '../transport/framing/encoder.js';
import { noOptions } from '../util/options.js';
import { afterTick, nextTurn } from '../platform/runtime.js';
import type { Transport } from '../transport/transport.js';
import {
  withDeadline,
  Deferred,
  markHandled,
  rejectHandled,
  rejected,
  type AbortHub,
  type WaitOptions,
} from '../util/wait.js';
import { Fifo } from '../util/fifo.js';
import {
  pooledSize,
  returnBuffer,
  isPooled,
  forgetBuffers,
  smallestBuffer,
  takeBuffer,
} from './buffer-pool.js';

/** Longer messages are lent to the transport; shorter ones are copied into a slab with their neighbours. */
const copyLimit = 16 * 1024;
/** Full slabs that are written together: each write of an encrypted socket costs a cipher of its own. */
const slabsAtOnce = 2;
/** How much waits for the end of the tick, at least and at most. */
const smallestBatch = 2 * 1024;
const largestBatch: number = slabsAtOnce * pooledSize;
/** A sender that never has to wait gives way to the rest of the program after this many bytes. */
const turnBudget = 1024 * 1024;

/** What an outbox writes to. */
export type Outlet = Pick<Transport, 'write' | 'end'>;

/** An entry of the line: a message, or a wait until all before it is written or has room, or the end. */
interface Entry {
  readonly kind: 'message' | 'flush' | 'room' | 'end';
  readonly head: MessageHead;
  readonly data: Bytes;
  readonly deferred: Deferred<void>;
}

/** One who waits until that many bytes are written; a lender then waits for room like other senders. */
interface Mark {
  readonly upTo: number;
  readonly lender: boolean;
  readonly deferred: Deferred<void>;
}

const sent: Promise<void> = Promise.resolve();
const nothing: Bytes = new Uint8Array(0);
const unfinishedHeader: readonly Bytes[] = [Uint8Array.of(0)];

/**
 * Frames messages and hands them over in batches: a write or a few for all that one tick sends. What is over the
 * high-water mark stands in line as it was given, and takes no memory of ours.
 */
export class Outbox {
  readonly #outlet: Outlet;
  readonly #highWaterMark: number;
  readonly #hub: AbortHub;
  readonly #line = new Fifo<Entry>();
  readonly #marks = new Fifo<Mark>();
  /** Senders whose message was accepted, until the queue is below the mark. */
  readonly #room: Deferred<void>[] = [];
  #lineBytes = 0;
  /** The slab, and which of its bytes are filled but not yet among the parts. */
  #buffer: Bytes = nothing;
  #bufferStart = 0;
  #bufferEnd = 0;
  /** Whether it was begun in this tick. */
  #bufferIsFresh = false;
  #parts: Bytes[] = [];
  /** Slabs that are full, and whose last bytes are among the parts. */
  #usedBuffers: Bytes[] = [];
  /** Full slabs that are here or with the outlet. */
  #pooledBuffers = 0;
  /** Bytes so far: taken from senders, given to the outlet, gone from the outlet. */
  #accepted = 0;
  #handedOver = 0;
  #written = 0;
  #messages = 0;
  #turn = 0;
  #tickStart = 0;
  #batch = smallestBatch;
  #blocked = false;
  #scheduled = false;
  #ending = false;
  /** Nothing may follow. */
  #endWritten = false;
  #failed: K4netError | undefined;

  constructor(outlet: Outlet, highWaterMark: number, hub: AbortHub) {
    this.#outlet = outlet;
    this.#highWaterMark = highWaterMark;
    this.#hub = hub;
  }

  /** Messages that were accepted. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes that were accepted, headers included. */
  get bytes(): number {
    return this.#accepted;
  }

  /** Bytes that wait here or below, those in line included. */
  get bufferedAmount(): number {
    return this.#queued() + this.#lineBytes;
  }

  /** Whether a sender has to wait. */
  get congested(): boolean {
    return this.#line.length > 0 || this.#queued() >= this.#highWaterMark;
  }

  /** Sends one message. */
  send(data: Bytes, head: MessageHead = noHead): Promise<void> {
    if (this.#failed) return rejected(this.#failed);
    if (this.congested) return this.#enqueue('message', data, kept(head)).deferred.promise;
    this.#put(data, head);
    if (data.length > copyLimit || this.#queued() >= this.#highWaterMark) {
      const deferred = new Deferred<void>();
      this.#settleLater(data, deferred);
      return markHandled(deferred.promise);
    }
    if (this.#turn < turnBudget) return sent;
    this.#turn = 0;
    return new Promise(nextTurn);
  }

  /** Sends one message whose bytes are the caller's again at once, or does nothing if a sender has to wait. */
  offer(data: Bytes): boolean {
    if (this.#failed) throw this.#failed;
    if (this.congested) return false;
    this.#put(data.length > copyLimit ? new Uint8Array(data) : data, noHead);
    return true;
  }

  /** Sends one message whose bytes are the caller's again at once. */
  sendCopy(data: Bytes, head: MessageHead): Promise<void> {
    const held = data.length > copyLimit || this.congested;
    return this.send(held ? new Uint8Array(data) : data, head);
  }

  /**
   * Sends one message with a wait that the caller can end: it is taken out of the line, and not sent, if it was still
   * there; otherwise it goes out whole.
   */
  sendWith(data: Bytes, wait: WaitOptions): Promise<void> {
    return this.#inLine('message', data, wait, 'the message was not sent');
  }

  /** Resolves when all that was sent so far is with the layer below. */
  flush(wait: WaitOptions): Promise<void> {
    return this.#inLine('flush', nothing, wait, 'the messages were not written');
  }

  /** Resolves when the messages that wait now are accepted and the queue is below the high-water mark. */
  room(): Promise<void> {
    return this.#inLine('room', nothing, noOptions, 'room');
  }

  /** Ends this direction after all that was sent so far; resolves when that is with the layer below. */
  end(): Promise<void> {
    return this.#inLine('end', nothing, noOptions, 'the end was not written');
  }

  /**
   * Ends inside a message: writes one byte of a header whose rest never comes, unless the end was written. A reset that
   * arrives together with data is an end in good order for some systems, and Unix sockets have no reset.
   */
  breakOff(): void {
    if (this.#endWritten || this.#failed) return;
    this.#endWritten = true;
    this.#outlet.write(unfinishedHeader);
  }

  /** The outlet has room again. */
  drain(): void {
    this.#blocked = false;
    this.#write();
  }

  /** Gives up: everyone who waits is told why. Only the first call counts. */
  fail(error: K4netError): void {
    if (this.#failed) return;
    this.#failed = error;
    for (const deferred of this.#room.splice(0)) deferred.reject(error);
    for (let mark = this.#marks.shift(); mark; mark = this.#marks.shift()) mark.deferred.reject(error);
    for (let entry = this.#line.shift(); entry; entry = this.#line.shift()) entry.deferred.reject(error);
    this.#lineBytes = 0;
    this.#written = this.#accepted;
    this.#parts = [];
    this.#usedBuffers = [];
    this.#dropBuffer();
    forgetBuffers(this.#pooledBuffers);
  }

  #queued(): number {
    return this.#accepted - this.#written;
  }

  #inLine(kind: Entry['kind'], data: Bytes, { timeout, signal }: WaitOptions, what: string): Promise<void> {
    if (signal?.aborted) return rejectHandled(signal.reason);
    if (this.#failed) return rejected(this.#failed);
    const entry = this.#enqueue(kind, data);
    this.#sendQueued();
    const cancel = (reason: unknown): void => {
      if (this.#line.remove(entry)) this.#lineBytes -= costOf(entry);
      entry.deferred.reject(reason);
    };
    return markHandled(withDeadline(entry.deferred.promise, { timeout, signal }, this.#hub, cancel, what));
  }

  #enqueue(kind: Entry['kind'], data: Bytes, head: MessageHead = noHead): Entry {
    const entry = { kind, head, data, deferred: new Deferred<void>() };
    void markHandled(entry.deferred.promise);
    this.#line.push(entry);
    this.#lineBytes += costOf(entry);
    return entry;
  }

  /** Takes from the line what there is room for. */
  #sendQueued(): void {
    for (let entry = this.#line.peek(); entry; entry = this.#line.peek()) {
      const needsRoom = entry.kind === 'message' || entry.kind === 'room';
      if (needsRoom && this.#queued() >= this.#highWaterMark) return;
      this.#line.shift();
      this.#lineBytes -= costOf(entry);
      if (entry.kind === 'message') {
        this.#put(entry.data, entry.head);
        this.#settleLater(entry.data, entry.deferred);
      } else if (entry.kind === 'room') {
        entry.deferred.resolve();
      } else {
        if (entry.kind === 'end') this.#ending = true;
        this.#marks.push({ upTo: this.#accepted, lender: false, deferred: entry.deferred });
        this.#write();
        this.#settle();
      }
    }
  }

  #settleLater(data: Bytes, deferred: Deferred<void>): void {
    // An outlet that is done before its write returns has said so already, and says it once.
    if (data.length > copyLimit && this.#queued() > 0)
      this.#marks.push({ upTo: this.#accepted, lender: true, deferred });
    else if (this.#queued() >= this.#highWaterMark) this.#room.push(deferred);
    else deferred.resolve();
  }

  #put(data: Bytes, head: MessageHead): void {
    const lend = data.length > copyLimit;
    const start = headerLength + head.length;
    const size = start + (lend ? 0 : data.length);
    if (this.#buffer.length - this.#bufferEnd < size) this.#newBuffer(size);
    const at = this.#bufferEnd;
    writeHeader(this.#buffer, at, head.length + data.length);
    for (let i = 0; i < head.length; i += 1) this.#buffer[at + headerLength + i] = head.bytes[i] ?? 0;
    this.#bufferEnd = at + size;
    if (lend) {
      this.#seal();
      this.#parts.push(data);
    } else {
      this.#buffer.set(data, at + start);
    }
    this.#messages += 1;
    this.#accepted += start + data.length;
    this.#turn += start + data.length;
    if (this.#accepted - this.#handedOver >= this.#batch) {
      this.#write();
      this.#batch = Math.min(2 * this.#batch, largestBatch);
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterTick(() => {
      this.#scheduled = false;
      this.#endOfTick();
    });
  }

  /** A lone message should not pay for a large slab, a stream of them should not pay for many small ones. */
  #newBuffer(size: number): void {
    this.#seal();
    if (this.#buffer.length >= pooledSize) {
      this.#usedBuffers.push(this.#buffer);
      this.#dropBuffer();
      // Before the first byte of the next one: fewer buffers are cheaper to write.
      if (this.#usedBuffers.length >= slabsAtOnce) this.#write();
    }
    this.#buffer = takeBuffer(Math.max(this.#bufferIsFresh ? pooledSize : smallestBuffer, size));
    if (isPooled(this.#buffer)) this.#pooledBuffers += 1;
    this.#bufferStart = 0;
    this.#bufferEnd = 0;
    this.#bufferIsFresh = true;
  }

  #endOfTick(): void {
    const volume = this.#accepted - this.#tickStart;
    this.#tickStart = this.#accepted;
    this.#bufferIsFresh = false;
    // The peer begins with the first half while this side still makes the second; a stream is cut as large as can be.
    this.#batch = volume >= largestBatch ? largestBatch : Math.max(volume / 2, smallestBatch);
    this.#write();
  }

  #seal(): void {
    if (this.#bufferEnd > this.#bufferStart)
      this.#parts.push(this.#buffer.subarray(this.#bufferStart, this.#bufferEnd));
    this.#bufferStart = this.#bufferEnd;
  }

  #write(): void {
    if (this.#blocked || this.#failed) return;
    this.#seal();
    if (this.#parts.length > 0) {
      const parts = this.#parts;
      const slabs = this.#usedBuffers;
      const upTo = this.#accepted;
      this.#parts = [];
      this.#usedBuffers = [];
      this.#handedOver = upTo;
      const more = this.#outlet.write(parts, () => {
        // A stream that was cut may still say that it is done.
        if (this.#failed) return;
        this.#written = upTo;
        for (const slab of slabs) this.#returnBuffer(slab);
        this.#settle();
      });
      if (!more) this.#blocked = true;
    }
    if (this.#ending) {
      this.#ending = false;
      if (this.#endWritten) return;
      this.#endWritten = true;
      this.#outlet.end();
    }
  }

  /** Tells those whose wait is over. */
  #settle(): void {
    if (this.#failed) return;
    for (let mark = this.#marks.peek(); mark && mark.upTo <= this.#written; mark = this.#marks.peek()) {
      this.#marks.shift();
      if (mark.lender) this.#room.push(mark.deferred);
      else mark.deferred.resolve();
    }
    if (this.#queued() >= this.#highWaterMark) return;
    for (const deferred of this.#room.splice(0)) deferred.resolve();
    if (this.#line.length > 0) this.#sendQueued();
    else if (this.#queued() === 0 && this.#buffer.length > 0) {
      this.#returnBuffer(this.#buffer);
      this.#dropBuffer();
    }
  }

  #returnBuffer(slab: Bytes): void {
    if (isPooled(slab)) this.#pooledBuffers -= 1;
    returnBuffer(slab);
  }

  #dropBuffer(): void {
    this.#buffer = nothing;
    this.#bufferStart = 0;
    this.#bufferEnd = 0;
  }
}

function costOf(entry: Entry): number {
  return entry.kind === 'message' ? headerLength + entry.head.length + entry.data.length : 0;
}

function kept({ bytes, length }: MessageHead): MessageHead {
  return length === 0 ? noHead : { bytes: bytes.slice(0, length), length };
}
