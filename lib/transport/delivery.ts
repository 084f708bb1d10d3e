import { compact, type Bytes } from '../util/bytes.js';
import { ByteQueue } from '../util/byte-queue.js';
import type { K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { maxBytesPerTurn, type Sink } from './transport.js';

/** The bytes of queued data that the sink gets at once, at most. */
const longestChunk = 64 * 1024;

/** The transport that a {@link Delivery} belongs to. */
export interface DeliveryOwner {
  /** The sink has taken bytes. */
  taken(bytes: number): void;
  /** The sink has all that it takes now: a grant of credit may be due. */
  flowed(): void;
  /** The sink has the end of the peer. */
  ended(): void;
}

/**
 * The receiving side of a transport over whole messages, which cannot be paused: delivers to the
 * sink, and keeps what the sink does not take now.
 */
export class Delivery {
  readonly #owner: DeliveryOwner;
  readonly #received = new ByteQueue();
  #sink: Sink | undefined;
  #starting = false;
  /** The sink applies backpressure: no data until `resume`. */
  #paused = false;
  /** No data until the next turn of the event loop. */
  #resting = false;
  /** Bytes delivered since the last rest. */
  #delivered = 0;
  /** `heard`: the peer's end has come, but data waits. `told`: the sink has it. */
  #end: 'open' | 'heard' | 'told' = 'open';
  /** The sink gets its close in the next turn in which it can. */
  #closing = false;
  #cause: K4netError | undefined;
  #closed = false;

  constructor(owner: DeliveryOwner) {
    this.#owner = owner;
  }

  /** Bytes that wait for the sink. */
  get waiting(): number {
    return this.#received.size;
  }

  /** Whether the sink takes all data as it comes. */
  get keepsUp(): boolean {
    return !this.#paused && this.#received.size === 0;
  }

  /** Whether the sink has not stopped. */
  get reading(): boolean {
    return this.#sink !== undefined && !this.#paused;
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#sink = sink;
    this.#paused = false;
    this.#starting = true;
    nextTurn(() => {
      if (this.#sink !== sink || this.#closed) return;
      this.#starting = false;
      const more = surplus === undefined || surplus.length === 0 || sink.data(surplus);
      // The sink can hand over inside data(): then the new sink starts in its own turn.
      if (this.#sink !== sink) return;
      this.#paused = !more;
      this.#flow();
      this.#tryClose();
    });
  }

  resume(): void {
    this.#paused = false;
    if (this.#received.size > 0 || this.#end === 'heard') this.#rest();
    else this.#owner.flowed();
  }

  /** @param exclusive - whether nothing else uses the buffer of the chunk. */
  data(chunk: Bytes, exclusive: boolean): void {
    if (this.#sink && this.#flowing && this.#received.size === 0) {
      this.#deliver(this.#sink, chunk, exclusive);
      this.#owner.flowed();
    } else {
      this.#received.push(compact(chunk));
    }
  }

  /** The peer's direction has ended. The sink gets the end behind the data that waits. */
  end(): void {
    this.#end = 'heard';
    this.#flow();
  }

  /** Tells the sink that there is room for writes. */
  drain(): void {
    this.#sink?.drain();
  }

  /** Closes the sink in a later turn. With a cause, it drops the data that waits. */
  close(cause?: K4netError): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#cause = cause;
    if (cause) this.#received.drain();
    nextTurn(() => {
      this.#tryClose();
    });
  }

  get #flowing(): boolean {
    return !this.#starting && !this.#paused && !this.#resting && this.#cause === undefined;
  }

  #deliver(sink: Sink, chunk: Bytes, exclusive: boolean): void {
    const { length } = chunk;
    const more = exclusive && sink.own ? sink.own(chunk) : sink.data(chunk);
    this.#owner.taken(length);
    // The sink can hand over inside data(): its result does not count for the new sink.
    if (this.#sink === sink && !more) this.#paused = true;
    this.#delivered += length;
    if (this.#delivered >= maxBytesPerTurn) this.#rest();
  }

  /** Delivers nothing more in this turn of the event loop. */
  #rest(): void {
    this.#delivered = 0;
    if (this.#resting) return;
    this.#resting = true;
    nextTurn(() => {
      this.#resting = false;
      this.#flow();
    });
  }

  /** Delivers what waits, up to the end. The sink can call back at any step. */
  #flow(): void {
    while (this.#sink && this.#flowing && this.#received.size > 0) {
      this.#deliver(this.#sink, this.#received.next(longestChunk), false);
    }
    this.#owner.flowed();
    if (this.#sink && this.#flowing && this.#received.size === 0 && this.#end === 'heard') {
      this.#end = 'told';
      this.#sink.end();
      this.#owner.ended();
    }
  }

  #tryClose(): void {
    if (!this.#closing || this.#closed || this.#starting || !this.#sink) return;
    this.#closed = true;
    this.#sink.close(this.#cause);
  }
}
