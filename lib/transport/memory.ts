import type { Bytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { maxBytesPerTurn, type Sink, type Transport } from './transport.js';

/** How many undelivered bytes one direction holds before `write()` returns false. */
const highWaterMark = 64 * 1024;

/** Two transports joined back to back, for tests and for two parts of one process. */
export function memoryPair(): [Transport, Transport] {
  const one = new MemoryTransport();
  return [one, one.peer];
}

interface Delivery {
  readonly chunk: Bytes;
  readonly done: (() => void) | undefined;
}

class MemoryTransport implements Transport {
  readonly remoteAddress = '';
  readonly localAddress = '';
  readonly peer: MemoryTransport;
  #sink: Sink | undefined;
  #surplus: Bytes | undefined;
  #queue: Delivery[] = [];
  #queued = 0;
  #scheduled = false;
  #paused = false;
  /** This side's writer was told to wait. */
  #full = false;
  #endSent = false;
  #endSeen = false;
  #gone: { readonly cause: K4netError | undefined } | undefined;
  #closed = false;

  constructor(peer?: MemoryTransport) {
    this.peer = peer ?? new MemoryTransport(this);
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#sink = sink;
    this.#surplus = surplus;
    this.#paused = false;
    this.#schedule();
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    const peer = this.peer;
    if (this.#gone || this.#endSent) return true;
    // The parts are only lent, and a sink keeps what it gets.
    const chunk = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      chunk.set(part, at);
      at += part.length;
    }
    peer.#queue.push({ chunk, done });
    peer.#queued += chunk.length;
    peer.#schedule();
    this.#full = peer.#queued >= highWaterMark;
    return !this.#full;
  }

  end(): void {
    this.#endSent = true;
    this.peer.#schedule();
  }

  abort(cause?: K4netError): void {
    this.#drop(cause ?? new K4netError('K4NET_CONNECTION', 'the connection was cut by this side'));
    this.peer.#drop(new K4netError('K4NET_CONNECTION', 'the connection was cut by the peer'));
  }

  ref(): void {
    // Memory keeps no process alive.
  }

  unref(): void {
    // Memory keeps no process alive.
  }

  #drop(cause: K4netError | undefined): void {
    if (this.#gone) return;
    this.#gone = { cause };
    this.#queue = [];
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed || !this.#sink) return;
    this.#scheduled = true;
    nextTurn(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const sink = this.#sink;
    const peer = this.peer;
    if (!sink || this.#closed) return;
    if (this.#gone) {
      this.#closed = true;
      sink.close(this.#gone.cause);
      return;
    }
    if (this.#surplus) {
      const surplus = this.#surplus;
      this.#surplus = undefined;
      const more = sink.data(surplus);
      // A sink that handed over inside data() does not speak for the new one.
      if (this.#sink === sink) this.#paused = !more;
    }
    // A sink may call back into this object at any step, so each step looks anew.
    let delivered = 0;
    while (!this.#paused && this.#sink === sink && !this.#stopped() && delivered < maxBytesPerTurn) {
      const delivery = this.#queue.shift();
      if (!delivery) break;
      delivered += delivery.chunk.length;
      this.#queued -= delivery.chunk.length;
      const more = sink.data(delivery.chunk);
      if (this.#sink === sink) this.#paused = !more;
      delivery.done?.();
    }
    if (peer.#full && this.#queued < highWaterMark && !peer.#gone) {
      peer.#full = false;
      peer.#sink?.drain();
    }
    if (this.#paused || this.#sink !== sink || this.#stopped()) return;
    if (this.#queue.length > 0) this.#schedule();
    else this.#finish(sink, peer);
  }

  #stopped(): boolean {
    return this.#gone !== undefined;
  }

  #finish(sink: Sink, peer: MemoryTransport): void {
    if (peer.#endSent && !this.#endSeen) {
      this.#endSeen = true;
      sink.end();
    }
    if (this.#endSeen && this.#endSent && peer.#endSeen) {
      this.#drop(undefined);
      peer.#drop(undefined);
    }
  }
}
