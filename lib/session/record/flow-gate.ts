import type { Bytes } from '../../util/bytes.js';
import type { K4netError } from '../../errors.js';
import { Fifo } from '../../util/fifo.js';
import { nextTurn } from '../../platform/runtime.js';
import type { Sink } from '../../transport/transport.js';

/**
 * Delivers stream content to a sink, with backpressure: one record may contain more than the sink
 * takes before its `data` returns false. The rest waits here, and the end and the close wait until
 * it is delivered.
 */
export class FlowGate {
  readonly #queue = new Fifo<Bytes>();
  #sink: Sink | undefined;
  /** Whether no sink is attached yet or its `data` returned false. */
  #paused = true;
  /** True until the handshake has succeeded: nothing is delivered before. */
  #held = true;
  #end: 'open' | 'due' | 'delivered' = 'open';
  #close: 'open' | 'due' | 'delivered' = 'open';
  #cause: K4netError | undefined;

  /** Whether the next content is delivered at once. */
  get flowing(): boolean {
    return !this.#held && !this.#paused && this.#queue.length === 0;
  }

  /** Delivers to this sink from a later turn on, first the surplus of the previous sink. */
  attach(sink: Sink, surplus: Bytes | undefined, started: () => void): void {
    this.#sink = sink;
    this.#paused = true;
    nextTurn(() => {
      if (this.#sink !== sink || this.#close === 'delivered') return;
      const more = surplus === undefined || surplus.length === 0 || sink.data(surplus);
      // The sink may have handed over to another sink inside `data`.
      if (this.#sink !== sink) return;
      this.#paused = !more;
      this.#flow();
      started();
    });
  }

  /** The handshake has succeeded: delivery begins. */
  release(): void {
    this.#held = false;
    this.#flow();
  }

  push(chunk: Bytes): void {
    const sink = this.#sink;
    if (sink && this.flowing && this.#close === 'open') {
      this.#give(sink, chunk);
    } else {
      this.#queue.push(chunk);
      this.#flow();
    }
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  /** The peer's direction has ended. */
  end(): void {
    if (this.#end === 'open') this.#end = 'due';
    this.#flow();
  }

  /** Both directions ended cleanly. The close is delivered after all content. */
  close(): void {
    if (this.#close !== 'open') return;
    this.#close = 'due';
    this.#flow();
  }

  /**
   * Delivers a failure at once, even to a sink that applies backpressure: a waiting sender must not
   * depend on a reader. Content that was opened before is delivered first. Its size is bounded: it
   * is at most the records that the last chunk completed.
   */
  fail(cause: K4netError): void {
    if (this.#close === 'delivered') return;
    if (this.#end === 'open') this.#end = 'delivered';
    this.#close = 'due';
    this.#cause = cause;
    for (let chunk = this.#queue.shift(); chunk; chunk = this.#queue.shift()) {
      if (this.#sink) this.#give(this.#sink, chunk);
    }
    this.#held = false;
    this.resume();
  }

  /**
   * Drops the content that waits and delivers the close in a later turn, even to a sink that
   * applies backpressure.
   */
  cut(cause?: K4netError): void {
    this.#queue.clear();
    this.#end = 'delivered';
    if (this.#close === 'open') {
      this.#close = 'due';
      this.#cause = cause;
    }
    this.#paused = true;
    nextTurn(() => {
      this.#held = false;
      this.resume();
    });
  }

  /** Reports to the sink that there is room for writes. */
  drain(): void {
    if (this.#close !== 'delivered') this.#sink?.drain();
  }

  // The sink may call this object at any step, so each step reads the state again.
  #flow(): void {
    while (!this.#held && !this.#paused && this.#close !== 'delivered') {
      const sink = this.#sink;
      if (!sink) return;
      const chunk = this.#queue.shift();
      if (chunk) {
        this.#give(sink, chunk);
      } else if (this.#end === 'due') {
        this.#end = 'delivered';
        sink.end();
      } else if (this.#close === 'due') {
        this.#close = 'delivered';
        sink.close(this.#cause);
      } else {
        return;
      }
    }
  }

  /** Content of a record is in a buffer that nothing else uses, so the sink may own it. */
  #give(sink: Sink, chunk: Bytes): void {
    const more = sink.own ? sink.own(chunk) : sink.data(chunk);
    // The sink may have handed over to another sink meanwhile.
    if (this.#sink === sink && !more) this.#paused = true;
  }
}
