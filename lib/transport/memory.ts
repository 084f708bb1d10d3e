import { concatBytes, type Bytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { maxBytesPerTurn, type Sink, type Transport } from './transport.js';

/** Undelivered bytes of one direction from which `write()` returns false. */
const highWaterMark = 64 * 1024;

/**
 * Two connected transports in memory, for tests and for two parts of one process.
 *
 * @example
 * ```ts
 * import { LockedSocket, memoryPair } from 'k4net';
 *
 * const [left, right] = memoryPair();
 * const near = new LockedSocket(left);
 * const far = new LockedSocket(right);
 * await near.send('hello');
 * console.log(await far.recvText());
 * await Promise.all([near.close(), far.close()]);
 * ```
 */
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
  /** A write of this side returned false: its sink waits for `drain`. */
  #needDrain = false;
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
    // Copy: the caller may reuse the parts after `done`, but a sink keeps its chunks.
    const chunk = concatBytes(parts);
    peer.#queue.push({ chunk, done });
    peer.#queued += chunk.length;
    peer.#schedule();
    this.#needDrain = peer.#queued >= highWaterMark;
    return !this.#needDrain;
  }

  end(): void {
    this.#endSent = true;
    this.peer.#schedule();
  }

  abort(cause?: K4netError): void {
    this.#drop(cause ?? new K4netError('K4NET_CONNECTION', 'this side cut the connection'));
    this.peer.#drop(new K4netError('K4NET_CONNECTION', 'the peer cut the connection'));
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
      // The sink can hand over inside data(): its result does not count for the new sink.
      if (this.#sink === sink) this.#paused = !more;
    }
    // The sink can call back into this object at any step, so each step checks the state again.
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
    if (peer.#needDrain && this.#queued < highWaterMark && !peer.#gone) {
      peer.#needDrain = false;
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
