import { startTimer, type Timer } from '../util/wait.js';
import { longestWindow } from './credit.js';
import type { MessageCarrier } from './message-carrier.js';

/**
 * Bytes that wait in the carrier from which nothing more is sent. A peer with windows of this
 * implementation never lets so much wait. Another may grant any credit without reading, and the
 * memory of the carrier must stay bounded.
 */
const maxWaiting = 2 * longestWindow;
/** Milliseconds after which a full carrier is looked at again. It has no event for that. */
const delay = 20;

/** Whether a carrier has room for another message. */
export class CarrierRoom {
  readonly #carrier: MessageCarrier;
  readonly #retry: () => void;
  #timer: Timer | undefined;

  /** @param retry - called some time after the carrier was full. */
  constructor(carrier: MessageCarrier, retry: () => void) {
    this.#carrier = carrier;
    this.#retry = retry;
  }

  isFull(): boolean {
    if (this.#carrier.waiting < maxWaiting) return false;
    // The connection keeps the process alive, if anything does.
    this.#timer ??= startTimer(
      () => {
        this.#timer = undefined;
        this.#retry();
      },
      delay,
      false,
    );
    return true;
  }

  stop(): void {
    this.#timer?.stop();
  }
}
