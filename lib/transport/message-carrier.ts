import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';

/** A connection that carries whole messages. */
export interface MessageCarrier {
  /** Bytes that wait to be sent; 0 if the carrier does not know. */
  readonly waiting: number;
  /** Whether a close can overtake messages that were sent before it. */
  readonly losesOnClose: boolean;
  /** Whether messages can be sent. `opened` of the owner follows if not. */
  readonly isOpen: boolean;
  /** Adds the listeners, and reports their events to the owner from here on. */
  listen(owner: CarrierOwner): void;
  /** A buffer for a message of that length. The carrier may return one that is longer. */
  allocate(length: number): Bytes;
  /** Sends one message. The caller does not use its buffer any more, unless `allocate` returns it again. */
  send(message: Bytes): void;
  /** Closes after everything that was sent. `gone` of the owner follows. */
  close(clean: boolean): void;
  /** Gives up: closes without waiting for the peer, if the carrier can. */
  terminate(): void;
  ref(): void;
  unref(): void;
}

/** The events of a carrier. */
export interface CarrierOwner {
  /** Messages can be sent from now on. */
  opened(): void;
  /** @param exclusive - nothing else uses the buffer of the message. */
  message(bytes: Bytes, exclusive: boolean): void;
  /** Something came that no peer may send. */
  violated(error: K4netError): void;
  /** The peer is lost, but may still read a reset. */
  abort(cause: K4netError): void;
  /** The carrier is closed. The error says why, unless both directions had ended. */
  gone(cause: K4netError): void;
}
