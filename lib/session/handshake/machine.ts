import { type Bytes, concatBytes, u32Bytes } from '../../util/bytes.js';
import { K4netError, toK4netError, TooLargeError } from '../../errors.js';
import { alertNumber } from '../record/alert-number.js';
import { alertName } from '../record/alerts.js';
import { encodeClearAlert } from './messages.js';
import { handshakeLimit, handshakeUnitLimit, minimumRecord } from '../record/format.js';
import type { Session } from '../session.js';

/**
 * The result of a step of a handshake. After each step, the driver sends the units of
 * {@link Handshake.take}.
 */
export type HandshakeStep =
  | { readonly state: 'continue' }
  | { readonly state: 'done'; readonly session: Session }
  | { readonly state: 'failed'; readonly error: K4netError };

/**
 * The common part of the client's and the server's side of a handshake: a state machine without
 * sockets and timers. Its driver passes received units one at a time and sends the units that the
 * steps make. No method rejects.
 */
export abstract class Handshake {
  #units = 0;
  #bytes = 0;
  #error: K4netError | undefined;
  #failing: Promise<HandshakeStep> | undefined;
  readonly #unsent: Bytes[] = [];
  /** A record that has its sequence number and is not sealed yet. */
  #sealing: Promise<void> | undefined;

  /** The error that ended the handshake. */
  get error(): K4netError | undefined {
    return this.#error;
  }

  /** Whether the next unit is the peer's record of epoch 0. */
  protected abstract readonly awaitsRecord: boolean;
  protected abstract begin(): Promise<HandshakeStep>;
  protected abstract handle(body: Bytes): Promise<HandshakeStep>;
  /** The alert for an error, if there is one: "Errors" in docs/protocol.md. */
  protected abstract alertUnits(error: K4netError): Promise<readonly Bytes[]>;

  /**
   * The units to be sent, with their length fields, in order. An error may happen at any time. Its
   * alert follows every record that has a sequence number.
   */
  take(): Bytes[] {
    return this.#unsent.splice(0);
  }

  /** The first step, before anything is received. */
  start(): Promise<HandshakeStep> {
    return this.#run(() => this.begin());
  }

  /**
   * Checks the length of the next unit: step 1 of "Errors" in docs/protocol.md.
   *
   * @returns the error to pass to {@link fail}, if the length is invalid.
   */
  checkLength(length: number): K4netError | undefined {
    this.#units += 1;
    this.#bytes += 4 + length;
    if (this.#units === 1 && length > handshakeUnitLimit) {
      return new K4netError('K4NET_NOT_K4NET', 'the peer does not speak k4net/1');
    }
    if (length > handshakeUnitLimit)
      return new TooLargeError(length, handshakeUnitLimit, 'a handshake unit', 'the limit');
    if (this.#bytes > handshakeLimit)
      return new TooLargeError(this.#bytes, handshakeLimit, 'a handshake', 'the limit');
    if (this.awaitsRecord && length < minimumRecord) {
      return new K4netError(
        'K4NET_MALFORMED',
        `a record of ${length} bytes is too short: the minimum is ${minimumRecord}`,
      );
    }
    return undefined;
  }

  /** Handles the body of the next unit, and keeps the body. One call at a time. */
  receive(body: Bytes): Promise<HandshakeStep> {
    return this.#run(() => this.handle(body));
  }

  /**
   * Ends the handshake with an error from outside, such as a timeout. Only the first error counts.
   */
  fail(error: K4netError): Promise<HandshakeStep> {
    this.#failing ??= this.#fail(error);
    return this.#failing;
  }

  /** The stream ended. */
  end(): Promise<HandshakeStep> {
    return this.fail(new K4netError('K4NET_PEER_CLOSED', this.closedMessage));
  }

  protected readonly closedMessage: string = 'the peer closed the connection during the handshake';

  /** Adds units to be sent, unless the handshake has failed. */
  protected send(...units: readonly Bytes[]): void {
    if (!this.#error) this.#unsent.push(...units);
  }

  /**
   * Adds records that have their sequence numbers. They are sent even if the handshake fails before
   * they are sealed.
   */
  protected async sendSealed(records: Bytes[] | Promise<Bytes[]>): Promise<void> {
    const sealing = async (): Promise<void> => {
      this.#unsent.push(...(await records));
    };
    this.#sealing = sealing();
    await this.#sealing;
  }

  async #fail(error: K4netError): Promise<HandshakeStep> {
    this.#error = error;
    try {
      const alert = await this.alertUnits(error);
      await this.#sealing;
      this.#unsent.push(...alert);
    } catch {
      // The handshake fails without an alert if the alert cannot be sealed.
    }
    return { state: 'failed', error };
  }

  async #run(task: () => Promise<HandshakeStep>): Promise<HandshakeStep> {
    if (this.#failing) return this.#failing;
    try {
      const step = await task();
      // The handshake may have failed during the step.
      return await (this.#ended() ?? step);
    } catch (error) {
      return this.fail(toK4netError(error, 'K4NET_INTERNAL', 'the handshake failed'));
    }
  }

  #ended(): Promise<HandshakeStep> | undefined {
    return this.#failing;
  }
}

/** A unit with its length prefix. */
export function unit(body: Bytes): Bytes {
  return concatBytes([u32Bytes(body.length), body]);
}

/** The unit that refuses a client before the handshake: the alert `busy` in the clear. */
export function busyUnit(): Bytes {
  return unit(encodeClearAlert(alertNumber.busy, alertName(alertNumber.busy)));
}
