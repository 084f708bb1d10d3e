import { noBytes, type Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import { headerLength, noHead, type MessageHead } from '../transport/framing/encoder.js';
import { noOptions } from '../util/options.js';
import { nextTurn } from '../platform/runtime.js';
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
import { copyLimit, FrameWriter, type Outlet } from './frame-writer.js';

/** A sender that never has to wait yields to the event loop after this many bytes. */
const bytesPerTurn = 1024 * 1024;

/**
 * A call that waits: to send a message, for earlier messages to be written or accepted, or to end
 * this direction.
 */
interface Entry {
  readonly kind: 'message' | 'flush' | 'room' | 'end';
  readonly head: MessageHead;
  readonly data: Bytes;
  readonly deferred: Deferred<void>;
}

/**
 * A call that waits until `upTo` bytes are written. `borrowed`: the call sent bytes without a copy,
 * and afterwards waits for room like other senders.
 */
interface Mark {
  readonly upTo: number;
  readonly borrowed: boolean;
  readonly deferred: Deferred<void>;
}

/** The promise of every message that was copied and accepted at once. */
export const accepted: Promise<void> = Promise.resolve();

/**
 * The send queue. It applies backpressure: below the high-water mark, a message goes to the
 * {@link FrameWriter} at once. Above it, the sender waits, and its message stays in the memory of
 * the caller.
 */
export class Outbox {
  readonly #writer: FrameWriter;
  readonly #highWaterMark: number;
  readonly #hub: AbortHub;
  /** Waiting calls, in order. */
  #waiting: Fifo<Entry> | undefined;
  #marks: Fifo<Mark> | undefined;
  /** Senders of accepted messages that wait until the queue is below the high-water mark. */
  #room: Deferred<void>[] = [];
  #waitingBytes = 0;
  /** Accepted bytes at the last yield. */
  #turnStart = 0;
  #failed: K4netError | undefined;

  constructor(outlet: Outlet, highWaterMark: number, hub: AbortHub) {
    this.#writer = new FrameWriter(outlet, () => {
      this.#settle();
    });
    this.#highWaterMark = highWaterMark;
    this.#hub = hub;
  }

  /** Accepted messages. */
  get messages(): number {
    return this.#writer.messages;
  }

  /** Accepted bytes, including length prefixes. */
  get bytes(): number {
    return this.#writer.accepted;
  }

  /** Bytes that are not written yet, including those of waiting senders. */
  get bufferedAmount(): number {
    return this.#writer.accepted - this.#writer.written + this.#waitingBytes;
  }

  /** Whether a sender has to wait. */
  get congested(): boolean {
    return this.#isFull() || (this.#waiting !== undefined && this.#waiting.length > 0);
  }

  /** Sends one message. */
  send(data: Bytes, head: MessageHead = noHead): Promise<void> {
    if (this.#failed) return rejected(this.#failed);
    if (this.congested) return this.#enqueue('message', data, ownHead(head)).deferred.promise;
    this.#writer.put(data, head);
    if (data.length > copyLimit || this.#isFull()) {
      const deferred = new Deferred<void>();
      this.#resolveLater(data, deferred);
      return deferred.promise;
    }
    if (this.#writer.accepted - this.#turnStart < bytesPerTurn) return accepted;
    this.#turnStart = this.#writer.accepted;
    return new Promise(nextTurn);
  }

  /**
   * Sends one message whose bytes the caller may reuse at once. If it would have to wait, sends
   * nothing and returns false.
   */
  offer(data: Bytes, head: MessageHead = noHead): boolean {
    if (this.#failed) throw this.#failed;
    if (this.congested) return false;
    this.#writer.put(data.length > copyLimit ? new Uint8Array(data) : data, head);
    return true;
  }

  /** Sends one message whose bytes the caller may reuse at once. */
  sendCopy(data: Bytes, head: MessageHead): Promise<void> {
    const held = data.length > copyLimit || this.congested;
    return this.send(held ? new Uint8Array(data) : data, head);
  }

  /**
   * Sends one message with a wait that can end early. A message that still waits at that time is
   * not sent. An accepted message is sent whole.
   */
  sendWith(data: Bytes, wait: WaitOptions): Promise<void> {
    return this.#waitInOrder('message', data, wait, 'the message was not sent');
  }

  /** Resolves when the layer below has everything that was sent so far. */
  flush(wait: WaitOptions): Promise<void> {
    return this.#waitInOrder('flush', noBytes, wait, 'the messages were not written');
  }

  /**
   * Resolves when the messages that wait now are accepted and the queue is below the high-water
   * mark.
   */
  room(): Promise<void> {
    return this.#waitInOrder('room', noBytes, noOptions, 'room');
  }

  /**
   * Ends this direction after everything sent so far. Resolves when the layer below has all of it.
   */
  end(): Promise<void> {
    return this.#waitInOrder('end', noBytes, noOptions, 'the end was not written');
  }

  /** Ends inside a frame: see {@link FrameWriter.breakOff}. */
  breakOff(): void {
    this.#writer.breakOff();
  }

  /** The outlet accepts writes again. */
  drain(): void {
    this.#writer.drain();
  }

  /** Rejects every waiting call. Only the first call has an effect. */
  fail(error: K4netError): void {
    if (this.#failed) return;
    this.#failed = error;
    this.#writer.fail();
    for (const deferred of this.#room) deferred.rejectHandled(error);
    this.#room = [];
    const [marks, waiting] = [this.#marks, this.#waiting];
    for (let mark = marks?.shift(); mark; mark = marks?.shift()) mark.deferred.rejectHandled(error);
    for (let entry = waiting?.shift(); entry; entry = waiting?.shift()) entry.deferred.rejectHandled(error);
    this.#waitingBytes = 0;
  }

  #isFull(): boolean {
    return this.#writer.accepted - this.#writer.written >= this.#highWaterMark;
  }

  #waitInOrder(
    kind: Entry['kind'],
    data: Bytes,
    { timeout = Infinity, signal }: WaitOptions,
    what: string,
  ): Promise<void> {
    if (signal?.aborted) return rejectHandled(signal.reason);
    if (this.#failed) return rejected(this.#failed);
    const entry = this.#enqueue(kind, data, noHead);
    this.#acceptWaiting();
    if (timeout === Infinity && signal === undefined) return entry.deferred.promise;
    const cancel = (reason: unknown): void => {
      if (this.#waiting?.remove(entry)) this.#waitingBytes -= costOf(entry);
      entry.deferred.rejectHandled(reason);
    };
    return markHandled(withDeadline(entry.deferred.promise, { timeout, signal }, this.#hub, cancel, what));
  }

  #enqueue(kind: Entry['kind'], data: Bytes, head: MessageHead): Entry {
    const entry = { kind, head, data, deferred: new Deferred<void>() };
    this.#waiting ??= new Fifo();
    this.#waiting.push(entry);
    this.#waitingBytes += costOf(entry);
    return entry;
  }

  /** Serves waiting calls in order until a message has to wait for room. */
  #acceptWaiting(): void {
    const waiting = this.#waiting;
    for (let entry = waiting?.peek(); entry; entry = waiting?.peek()) {
      const needsRoom = entry.kind === 'message' || entry.kind === 'room';
      if (needsRoom && this.#isFull()) return;
      waiting?.shift();
      this.#waitingBytes -= costOf(entry);
      if (entry.kind === 'message') {
        this.#writer.put(entry.data, entry.head);
        this.#resolveLater(entry.data, entry.deferred);
      } else if (entry.kind === 'room') {
        entry.deferred.resolve();
      } else {
        this.#addMark(false, entry.deferred);
        if (entry.kind === 'end') this.#writer.end();
        else this.#writer.write();
        this.#settle();
      }
    }
  }

  #resolveLater(data: Bytes, deferred: Deferred<void>): void {
    // Without unwritten bytes no mark is needed: the outlet finished before its write returned and
    // does not call back again.
    if (data.length > copyLimit && this.#writer.accepted > this.#writer.written)
      this.#addMark(true, deferred);
    else if (this.#isFull()) this.#room.push(deferred);
    else deferred.resolve();
  }

  #addMark(borrowed: boolean, deferred: Deferred<void>): void {
    this.#marks ??= new Fifo();
    this.#marks.push({ upTo: this.#writer.accepted, borrowed, deferred });
  }

  /** Resolves the calls whose wait is over, and accepts waiting messages if there is room. */
  #settle(): void {
    if (this.#failed) return;
    const marks = this.#marks;
    const { written } = this.#writer;
    for (let mark = marks?.peek(); mark && mark.upTo <= written; mark = marks?.peek()) {
      marks?.shift();
      if (mark.borrowed) this.#room.push(mark.deferred);
      else mark.deferred.resolve();
    }
    if (this.#isFull()) return;
    if (this.#room.length > 0) {
      for (const deferred of this.#room) deferred.resolve();
      this.#room = [];
    }
    if (this.#waiting !== undefined && this.#waiting.length > 0) this.#acceptWaiting();
    else this.#writer.release();
  }
}

function costOf(entry: Entry): number {
  return entry.kind === 'message' ? headerLength + entry.head.length + entry.data.length : 0;
}

/** A copy of the head of a message that waits: the caller reuses the bytes at once. */
function ownHead({ bytes, length }: MessageHead): MessageHead {
  return length === 0 ? noHead : { bytes: bytes.slice(0, length), length };
}
