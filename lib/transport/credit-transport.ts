import { compact, viewOf, type Bytes } from '../util/bytes.js';
import { ByteQueue } from '../util/byte-queue.js';
import { K4netError, toK4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import {
  creditMessage,
  CreditState,
  endMessage,
  kinds,
  longestData,
  resetCodes,
  resetError,
  resetMessage,
} from './credit.js';
import { CarrierCloser } from './carrier-closer.js';
import { CarrierRoom } from './carrier-room.js';
import type { CarrierOwner, MessageCarrier } from './message-carrier.js';
import { maxBytesPerTurn, type Sink, type Transport } from './transport.js';
import { WriteQueue } from './write-queue.js';

/** Credit for fewer bytes waits for more. */
const usefulCredit = 4096;

/** A transport over a carrier of whole messages: WebSocket, MessagePort. See `credit.ts`. */
export class CreditTransport implements Transport, CarrierOwner {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #carrier: MessageCarrier;
  readonly #closer: CarrierCloser;
  readonly #room: CarrierRoom;
  readonly #credit = new CreditState();
  readonly #writes = new WriteQueue();
  readonly #received = new ByteQueue();
  #sink: Sink | undefined;
  #starting = false;
  /** The sink applies backpressure: no data until `resume`. */
  #paused = false;
  /** No data until the next turn of the event loop. */
  #resting = false;
  /** Bytes delivered since the last rest. */
  #delivered = 0;
  /** The sink waits for `drain`. */
  #needDrain = false;
  /** Credit for a few bytes is used in the next turn. */
  #progressing = false;
  /** This side had ended when the peer's end came. */
  #endedFirst = false;
  #carrierGone = false;
  /** The sink gets its close in the next turn in which it can. */
  #closing = false;
  #cause: K4netError | undefined;
  #closed = false;

  constructor(
    carrier: MessageCarrier,
    { remoteAddress = '', localAddress = '' }: { remoteAddress?: string; localAddress?: string } = {},
  ) {
    this.#carrier = carrier;
    this.#closer = new CarrierCloser(carrier, this);
    this.#room = new CarrierRoom(carrier, () => {
      this.#progress();
    });
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    carrier.listen(this);
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
    if (this.#received.size > 0 || this.#credit.receiving === 'heard') this.#rest();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    if (this.#stopped() || this.#credit.sending !== 'open') return true;
    this.#writes.push(parts, done);
    this.#pump();
    if (this.#writes.isEmpty) return true;
    this.#needDrain = true;
    return false;
  }

  end(): void {
    if (this.#stopped() || this.#credit.sending !== 'open') return;
    this.#credit.sending = 'ending';
    this.#pump();
  }

  abort(cause?: K4netError): void {
    const error = cause ?? new K4netError('K4NET_CONNECTION', 'this side cut the connection');
    this.#fail(error, resetCodes.cut);
  }

  ref(): void {
    this.#carrier.ref();
  }

  unref(): void {
    this.#carrier.unref();
  }

  // Events of the carrier

  opened(): void {
    this.#progress();
  }

  message(bytes: Bytes, exclusive: boolean): void {
    if (this.#stopped() || this.#credit.bothSent) return;
    let kind;
    try {
      kind = this.#credit.receive(bytes);
    } catch (error) {
      this.violated(toK4netError(error, 'K4NET_INTERNAL', 'reading failed'));
      return;
    }
    if (kind === kinds.data) this.#receiveData(viewOf(bytes, 1, bytes.length), exclusive);
    else if (kind === kinds.credit) this.#receiveCredit();
    else if (kind === kinds.end) this.#receiveEnd();
    else this.#fail(resetError(this.#credit.resetCode));
  }

  violated(error: K4netError): void {
    this.#fail(error, resetCodes.violation);
  }

  gone(cause: K4netError): void {
    if (this.#carrierGone) return;
    this.#carrierGone = true;
    this.#closer.stop();
    if (this.#credit.bothSent) {
      // The peer has finished. The sink has still to take what waits for it.
      this.#finish();
    } else {
      this.#fail(cause);
    }
  }

  // Receiving

  get #flowing(): boolean {
    return !this.#starting && !this.#paused && !this.#resting && !this.#stopped();
  }

  #receiveData(chunk: Bytes, exclusive: boolean): void {
    if (this.#sink && this.#flowing && this.#received.size === 0) {
      this.#deliver(this.#sink, chunk, exclusive);
      this.#pump();
    } else {
      this.#received.push(compact(chunk));
    }
  }

  /** Many grants of a few bytes share a message: one for each could cost a long turn. */
  #receiveCredit(): void {
    if (this.#credit.credit >= Math.min(this.#writes.length, usefulCredit)) {
      this.#progress();
    } else if (!this.#progressing) {
      this.#progressing = true;
      nextTurn(() => {
        this.#progressing = false;
        this.#progress();
      });
    }
  }

  #receiveEnd(): void {
    this.#endedFirst = this.#credit.sending === 'ended';
    this.#flow();
  }

  #deliver(sink: Sink, chunk: Bytes, exclusive: boolean): void {
    const { length } = chunk;
    const more = exclusive && sink.own ? sink.own(chunk) : sink.data(chunk);
    this.#credit.take(length);
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
      this.#deliver(this.#sink, this.#received.next(longestData), false);
    }
    this.#pump();
    if (this.#sink && this.#flowing && this.#received.size === 0 && this.#credit.receiving === 'heard') {
      this.#credit.receiving = 'told';
      this.#sink.end();
      this.#finish();
    }
  }

  // Sending

  /** Sends, and tells the sink that there is room. */
  #progress(): void {
    this.#pump();
    if (!this.#needDrain || !this.#writes.isEmpty || this.#stopped()) return;
    this.#needDrain = false;
    this.#sink?.drain();
  }

  /** Sends everything that may be sent: a grant, data, the end. */
  #pump(): void {
    if (this.#stopped() || !this.#carrier.isOpen || this.#room.isFull()) return;
    const grant = this.#credit.grant(!this.#paused && this.#received.size === 0);
    if (grant > 0) this.#send(creditMessage(grant));
    while (!this.#writes.isEmpty && this.#credit.credit > 0) {
      if (this.#room.isFull()) return;
      this.#sendData();
    }
    if (!this.#writes.isEmpty || this.#credit.sending !== 'ending' || this.#stopped()) return;
    this.#send(endMessage());
    this.#credit.sending = 'ended';
    this.#finish();
  }

  #sendData(): void {
    const length = Math.min(this.#writes.length, this.#credit.credit, longestData);
    const message = new Uint8Array(1 + length);
    message[0] = kinds.data;
    const done = this.#writes.fill(message, 1);
    this.#credit.credit -= length;
    if (length > 0) this.#send(message);
    if (done.length === 0) return;
    nextTurn(() => {
      for (const each of done) if (!this.#stopped()) each();
    });
  }

  #send(message: Bytes): void {
    try {
      this.#carrier.send(message);
    } catch (error) {
      this.#fail(toK4netError(error, 'K4NET_CONNECTION', 'the carrier refused a message'));
    }
  }

  // Closing

  /** Closes when both directions have ended. */
  #finish(): void {
    if (!this.#credit.over) return;
    if (this.#carrierGone) {
      this.#closeSink();
      return;
    }
    // The side whose end was first knows that the other side has nothing to wait for. The other one
    // lets it close: what is sent just before a close can be lost.
    if (this.#endedFirst || !this.#carrier.losesOnClose) this.#closer.close();
    else this.#closer.wait();
  }

  /** Drops everything, and closes the sink with the cause in a later turn. */
  #fail(cause: K4netError, resetCode?: number): void {
    if (this.#stopped() || this.#closing) return;
    this.#cause = cause;
    this.#received.drain();
    this.#writes.clear();
    if (!this.#carrierGone) {
      if (resetCode !== undefined && this.#carrier.isOpen && !this.#credit.bothSent) {
        this.#send(resetMessage(resetCode));
      }
      this.#closer.cut();
    }
    this.#closeSink();
  }

  #stopped(): boolean {
    return this.#cause !== undefined;
  }

  #closeSink(): void {
    this.#closing = true;
    this.#room.stop();
    nextTurn(() => {
      this.#tryClose();
    });
  }

  #tryClose(): void {
    if (!this.#closing || this.#closed || this.#starting || !this.#sink) return;
    this.#closed = true;
    this.#sink.close(this.#cause);
  }
}
