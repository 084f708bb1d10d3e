import { viewOf, type Bytes } from '../util/bytes.js';
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
import { Delivery, type DeliveryOwner } from './delivery.js';
import type { CarrierOwner, MessageCarrier } from './message-carrier.js';
import type { Sink, Transport } from './transport.js';
import { WriteQueue } from './write-queue.js';

/** Credit for fewer bytes waits for more. */
const usefulCredit = 4096;

/** A transport over a carrier of whole messages: WebSocket, MessagePort. See `credit.ts`. */
export class CreditTransport implements Transport, CarrierOwner, DeliveryOwner {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #carrier: MessageCarrier;
  readonly #closer: CarrierCloser;
  readonly #room: CarrierRoom;
  readonly #credit = new CreditState();
  readonly #writes = new WriteQueue();
  readonly #delivery = new Delivery(this);
  /** The sink waits for `drain`. */
  #needDrain = false;
  /** Credit for a few bytes is used in the next turn. */
  #progressing = false;
  /** This side had ended when the peer's end came. */
  #endedFirst = false;
  #carrierGone = false;
  /** The connection has failed. */
  #failed = false;
  /** Both directions have ended, or the connection has failed. */
  #closing = false;

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
    this.#delivery.attach(sink, surplus);
  }

  resume(): void {
    this.#delivery.resume();
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
    if (kind === kinds.data) this.#delivery.data(viewOf(bytes, 1, bytes.length), exclusive);
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

  // Events of the delivery

  taken(bytes: number): void {
    this.#credit.take(bytes);
  }

  flowed(): void {
    this.#pump();
  }

  ended(): void {
    this.#credit.receiving = 'told';
    this.#finish();
  }

  // Receiving

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
    this.#delivery.end();
  }

  // Sending

  /** Sends, and tells the sink that there is room. */
  #progress(): void {
    this.#pump();
    if (!this.#needDrain || !this.#writes.isEmpty || this.#stopped()) return;
    this.#needDrain = false;
    this.#delivery.drain();
  }

  /** Sends everything that may be sent: a grant, data, the end. */
  #pump(): void {
    if (this.#stopped() || !this.#carrier.isOpen || this.#room.isFull()) return;
    const grant = this.#credit.grant(this.#delivery.keepsUp);
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
      this.#close();
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
    this.#failed = true;
    this.#writes.clear();
    if (!this.#carrierGone) {
      if (resetCode !== undefined && this.#carrier.isOpen && !this.#credit.bothSent) {
        this.#send(resetMessage(resetCode));
      }
      this.#closer.cut();
    }
    this.#close(cause);
  }

  #stopped(): boolean {
    return this.#failed;
  }

  #close(cause?: K4netError): void {
    this.#closing = true;
    this.#room.stop();
    this.#delivery.close(cause);
  }
}
