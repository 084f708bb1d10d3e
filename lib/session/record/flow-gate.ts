import type { Bytes } from '../../util/bytes.js';
import type { K4netError } from '../../errors.js';
import { Fifo } from '../../util/fifo.js';
import { nextTurn } from '../../platform/runtime.js';
import type { Sink } from '../../transport/transport.js';

/**
 * Hands opened chunks to a sink at the pace the sink wants: one record may hold more than the sink takes before it asks
 * for a pause. The end and the close come when everything before them has been taken.
 */
export class FlowGate {
  readonly #queue = new Fifo<Bytes>();
  #sink: Sink | undefined;
  /** The sink is not ready, or wants a pause. */
  #paused = true;
  /** Nothing may be delivered before the handshake has succeeded. */
  #held = true;
  #end: 'open' | 'due' | 'told' = 'open';
  #close: 'open' | 'due' | 'told' = 'open';
  #cause: K4netError | undefined;

  /** Whether the sink would take more at once. */
  get flowing(): boolean {
    return !this.#held && !this.#paused && this.#queue.length === 0;
  }

  /** Where everything goes from now on, in a later turn; what the sink before had left over goes first. */
  attach(sink: Sink, surplus: Bytes | undefined, started: () => void): void {
    this.#sink = sink;
    this.#paused = true;
    nextTurn(() => {
      if (this.#sink !== sink || this.#close === 'told') return;
      const more = surplus === undefined || surplus.length === 0 || sink.data(surplus);
      // Unless the sink has handed over to another one inside data().
      if (this.#sink !== sink) return;
      this.#paused = !more;
      this.#flow();
      started();
    });
  }

  /** Delivery begins. */
  release(): void {
    this.#held = false;
    this.#flow();
  }

  push(chunk: Bytes): void {
    if (this.flowing && this.#sink && this.#close === 'open') {
      this.#give(this.#sink, chunk);
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

  /** It is over in good order, when everything before has been taken. */
  close(): void {
    if (this.#close !== 'open') return;
    this.#close = 'due';
    this.#flow();
  }

  /**
   * It is broken, and the sink is told at once: whoever waits to send must not wait for somebody to read. What was
   * opened before goes first, which is never more than the records that the last chunk completed, and the end of the
   * peer, if that came before the failure.
   */
  fail(cause: K4netError): void {
    if (this.#close === 'told') return;
    if (this.#end === 'open') this.#end = 'told';
    this.#close = 'due';
    this.#cause = cause;
    for (let chunk = this.#queue.shift(); chunk; chunk = this.#queue.shift()) {
      if (this.#sink) this.#give(this.#sink, chunk);
    }
    this.#held = false;
    this.resume();
  }

  /** It is over now: what was not taken is dropped, and a sink that paused is told all the same. */
  cut(cause?: K4netError): void {
    this.#queue.clear();
    this.#end = 'told';
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

  /** The sink can write again. */
  drain(): void {
    if (this.#close !== 'told') this.#sink?.drain();
  }

  // A sink may call back at any step, so each step looks anew.
  #flow(): void {
    while (!this.#held && !this.#paused && this.#close !== 'told') {
      const sink = this.#sink;
      if (!sink) return;
      const chunk = this.#queue.shift();
      if (chunk) {
        this.#give(sink, chunk);
      } else if (this.#end === 'due') {
        this.#end = 'told';
        sink.end();
      } else if (this.#close === 'due') {
        this.#close = 'told';
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
