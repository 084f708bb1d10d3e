import { K4netError } from '../errors.js';
import { startTimer, type Timer } from '../util/wait.js';
import type { CarrierOwner, MessageCarrier } from './message-carrier.js';

/** Milliseconds in which the peer may close, or answer a close, before this side gives up. */
const lingerTime = 1000;

/** Closes a carrier, and gives up on a peer that keeps it open. */
export class CarrierCloser {
  readonly #carrier: MessageCarrier;
  readonly #owner: CarrierOwner;
  #timer: Timer | undefined;

  constructor(carrier: MessageCarrier, owner: CarrierOwner) {
    this.#carrier = carrier;
    this.#owner = owner;
  }

  /** Lets the peer close; closes if it does not. */
  wait(): void {
    this.#start(() => {
      this.close();
    });
  }

  /** Closes after everything that was sent. */
  close(): void {
    this.#carrier.close(true);
    this.#giveUp(this.#carrier.waiting);
  }

  /** Closes, and drops what the carrier has not sent when the time is over. */
  cut(): void {
    this.#carrier.close(false);
    this.#giveUp(0);
  }

  /** The carrier is gone. */
  stop(): void {
    this.#timer?.stop();
  }

  #giveUp(waiting: number): void {
    this.#start(() => {
      const left = this.#carrier.waiting;
      // A slow network may still carry what was sent.
      if (left < waiting) {
        this.#giveUp(left);
        return;
      }
      this.#carrier.terminate();
      this.#owner.gone(new K4netError('K4NET_CONNECTION', 'the peer did not close the connection'));
    });
  }

  #start(callback: () => void): void {
    this.#timer?.stop();
    this.#timer = startTimer(callback, lingerTime, false);
  }
}
