import type { BinaryReader } from '../binary/reader.js';
import type { K4netError } from '../errors.js';
import { noBytes, type Bytes } from '../util/bytes.js';
import { LazySignal, type Deferred, type GivenAbortSignal } from '../util/wait.js';
import type { CallbackQueue } from './callback-queue.js';
import type { FlowWindow } from './flow-window.js';
import { noItems } from './items.js';
import type { AcceptedStream } from './stream-host.js';
import type { Callback, CallbackContext, QueueSocketLike } from './types.js';

/** A registered callback. */
export interface Registration {
  readonly name: string;
  readonly priority: number;
  /** The queue of an ordered callback, or of one that has a concurrency of its own. */
  readonly queue: CallbackQueue<IncomingCall> | undefined;
  /** Whether its requests are in the queue of messages. */
  readonly ordered: boolean;
  /** Requests of this name that have no answer yet. */
  readonly requests: FlowWindow;
  /** The context of messages whose callback runs on arrival. */
  readonly context: CallbackContext;
  /** Undefined after the callback was removed or replaced. */
  callback: Callback | undefined;
}

/** The callbacks that one `recvRegistered` has released. */
export interface Batch {
  /** All callbacks of the batch, and those that have not ended. */
  count: number;
  left: number;
  readonly done: Deferred<void>;
}

/**
 * A message or a request of the peer, from its arrival to the end of its callback. It is the entry
 * in a callback queue and the context that the callback gets.
 */
export class IncomingCall implements CallbackContext {
  // Declared only, because class fields cost one more call for each instance.
  declare readonly socket: QueueSocketLike;
  declare readonly name: string;
  /** Undefined for a request of a name without a callback. */
  declare readonly registration: Registration | undefined;
  /** The id of a request, -1 for a message. */
  declare readonly id: number;
  /** Bytes that the call counts in its flow window. */
  declare readonly size: number;
  declare readonly priority: number;
  /** The payload, until the callback has started. */
  declare payload: Bytes;
  /** Whether the callback has started or will not be called. */
  declare begun: boolean;
  /** Whether the callback must not start, because no caller waits for its answer. */
  declare dropped: boolean;
  declare batch: Batch | undefined;
  /** The streams of a streaming call. */
  declare stream: AcceptedStream | undefined;
  /** Settles when the callback has started or will not start, if that waits for `authorizeCall`. */
  declare starting: Promise<void> | undefined;
  declare private life: LazySignal | undefined;

  /** @param life - the signal of the socket. If undefined, the call has a signal of its own. */
  constructor(
    socket: QueueSocketLike,
    name: string,
    registration: Registration | undefined,
    id: number,
    size: number,
    life: LazySignal | undefined,
  ) {
    this.socket = socket;
    this.name = name;
    this.registration = registration;
    this.id = id;
    this.size = size;
    this.priority = registration?.priority ?? 0;
    this.payload = noBytes;
    this.begun = false;
    this.dropped = false;
    this.batch = undefined;
    this.stream = undefined;
    this.starting = undefined;
    this.life = life;
  }

  get signal(): GivenAbortSignal {
    return (this.life ??= new LazySignal()).signal;
  }

  get body(): AsyncIterableIterator<BinaryReader, void> {
    return this.stream?.body ?? noItems;
  }

  get isRequest(): boolean {
    return this.id >= 0;
  }

  /** Whether it is a request that runs in the order of the messages. */
  get isOrdered(): boolean {
    return this.isRequest && this.registration?.ordered === true;
  }

  /** Whether it is a streaming call that this side has accepted. */
  get isStream(): boolean {
    return this.stream?.accepted === true;
  }

  /** Whether only `recvRegistered` or `drain` can start the callback, with manual dispatch. */
  get isHeld(): boolean {
    return !this.begun && !this.batch;
  }

  /** Makes it a streaming call. */
  open(stream: AcceptedStream): void {
    this.stream = stream;
    this.dropped ||= !stream.accepted;
  }

  /** Removes the payload for the callback. */
  takePayload(): Bytes {
    const { payload } = this;
    this.payload = noBytes;
    this.begun = true;
    return payload;
  }

  /**
   * Aborts the signal of a request.
   *
   * @param reasonOf - makes the reason when the signal is used.
   * @param keep - whether the callback is still called.
   */
  abort(reasonOf: () => K4netError, keep: boolean): void {
    if (!keep) this.dropped = true;
    (this.life ??= new LazySignal()).abort(reasonOf);
    this.stream?.abort(reasonOf());
  }
}
