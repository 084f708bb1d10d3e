import { type Bytes, concatBytes, u32Bytes } from '../../util/bytes.js';
import { K4netError, toK4netError, TooLargeError } from '../../errors.js';
import { alertNumber } from '../record/alert-number.js';
import { alertName } from '../record/alerts.js';
import { encodeClearAlert } from './messages.js';
import { handshakeLimit, handshakeUnitLimit, minimumRecord } from '../record/format.js';
import type { Session } from '../session.js';

/**
 * The result of a step of a handshake. After each step, send the units of {@link Handshake.take}.
 */
export type HandshakeStep =
  | { readonly state: 'continue' }
  | { readonly state: 'done'; readonly session: Session }
  | { readonly state: 'failed'; readonly error: K4netError };

/**
 * The common part of the client's and the server's side of a handshake: a state machine without
 * sockets and timers. Its driver passes received units one at a time and sends what the steps
 * produce. No method rejects.
 */
export abstract class Handshake {
  #units = 0;
  #bytes = 0;
  #error: K4netError | undefined;
  #failing: Promise<HandshakeStep> | undefined;
  readonly #made: Bytes[] = [];
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
  /** The alert for an error: "Errors" in docs/protocol.md says when there is one. */
  protected abstract tell(error: K4netError): Promise<readonly Bytes[]>;

  /**
   * The units to be sent, with their lengths, in order. An error may come at any moment. Its alert
   * follows every record that has a sequence number.
   */
  take(): Bytes[] {
    return this.#made.splice(0);
  }

  /** The first step, before anything is received. */
  start(): Promise<HandshakeStep> {
    return this.#run(() => this.begin());
  }

  /**
   * Checks the length of the next unit: step 1 of "Errors" in docs/protocol.md.
   *
   * @returns the error to pass to {@link fail}, if the length is refused.
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
      return new K4netError('K4NET_MALFORMED', `a record of ${length} bytes is too short`);
    }
    return undefined;
  }

  /** Takes the body of the next unit and keeps it. One call at a time. */
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
    if (!this.#error) this.#made.push(...units);
  }

  /**
   * Adds records that have their sequence numbers. They are sent even if the handshake fails
   * meanwhile.
   */
  protected async sendSealed(records: Bytes[] | Promise<Bytes[]>): Promise<void> {
    const sealing = async (): Promise<void> => {
      this.#made.push(...(await records));
    };
    this.#sealing = sealing();
    await this.#sealing;
  }

  async #fail(error: K4netError): Promise<HandshakeStep> {
    this.#error = error;
    try {
      const told = await this.tell(error);
      await this.#sealing;
      this.#made.push(...told);
    } catch {
      // The handshake fails without an alert if the alert cannot be sealed.
    }
    return { state: 'failed', error };
  }

  async #run(task: () => Promise<HandshakeStep>): Promise<HandshakeStep> {
    if (this.#failing) return this.#failing;
    try {
      const step = await task();
      // The handshake may have failed meanwhile.
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
