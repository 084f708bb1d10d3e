import { type Bytes, concatBytes } from '../../util/bytes.js';
import { K4netError, toK4netError, TooLargeError } from '../../errors.js';
import { alertFor, alertName, alertNumber } from '../record/alerts.js';
import { u32 } from './extensions.js';
import { encodeClearAlert } from './messages.js';
import { handshakeLimit, handshakeUnitLimit, minimumRecord } from '../record/format.js';
import type { RecordSealer } from '../record/sealer.js';
import type { Session } from '../session.js';

/** How a handshake stands. After every step there may be units to {@link Handshake.take}, and they are to be sent. */
export type HandshakeStep =
  | { readonly state: 'continue' }
  | { readonly state: 'done'; readonly session: Session }
  | { readonly state: 'failed'; readonly error: K4netError };

/**
 * What the two roles of a handshake have in common: its driver gives it the units it received one after the other and
 * does what the steps say. No method rejects; the handshake knows no sockets and no timers.
 */
export abstract class Handshake {
  #units = 0;
  #bytes = 0;
  #error: K4netError | undefined;
  #failing: Promise<HandshakeStep> | undefined;
  readonly #made: Bytes[] = [];
  /** A record that has its number, and is not sealed yet. */
  #sealing: Promise<void> | undefined;

  /** The error that ended the handshake, if one did. */
  get error(): K4netError | undefined {
    return this.#error;
  }

  /** Whether the next unit is the other side's record of epoch 0. */
  protected abstract readonly awaitsRecord: boolean;
  protected abstract begin(): Promise<HandshakeStep>;
  protected abstract handle(body: Bytes): Promise<HandshakeStep>;
  /** The units that tell the other side of an error, where it is told at all. */
  protected abstract tell(error: K4netError): Promise<readonly Bytes[]>;

  /**
   * Units with their lengths, in the order in which they were made: whoever takes them sends them. An error may come at
   * any moment, and its alert has to go out behind every record that has been numbered.
   */
  take(): Bytes[] {
    return this.#made.splice(0);
  }

  /** Makes what is to be sent before anything has been received. */
  start(): Promise<HandshakeStep> {
    return this.#run(() => this.begin());
  }

  /**
   * A unit's length, as soon as its four bytes are there: step 1 of "Errors" in docs/protocol.md.
   *
   * @returns the error to give to {@link fail}, if the unit must not come.
   */
  checkLength(length: number): K4netError | undefined {
    this.#units += 1;
    this.#bytes += 4 + length;
    if (this.#units === 1 && length > handshakeUnitLimit) {
      return new K4netError('K4NET_NOT_K4NET', 'the peer does not speak k4net/1');
    }
    if (length > handshakeUnitLimit) return new TooLargeError(length, handshakeUnitLimit, 'a handshake unit');
    if (this.#bytes > handshakeLimit) return new TooLargeError(this.#bytes, handshakeLimit, 'a handshake');
    if (this.awaitsRecord && length < minimumRecord) {
      return new K4netError('K4NET_MALFORMED', `a record of ${length} bytes is too short`);
    }
    return undefined;
  }

  /** The body of the next unit. The handshake keeps it. One at a time. */
  receive(body: Bytes): Promise<HandshakeStep> {
    return this.#run(() => this.handle(body));
  }

  /** Ends the handshake for a reason of the driver's: a timeout, an abort, a length. Only the first reason counts. */
  fail(error: K4netError): Promise<HandshakeStep> {
    this.#failing ??= this.#fail(error);
    return this.#failing;
  }

  /** The end of the stream: the other side went away. */
  end(): Promise<HandshakeStep> {
    return this.fail(new K4netError('K4NET_PEER_CLOSED', this.closedMessage));
  }

  protected readonly closedMessage: string = 'the peer closed the connection in the handshake';

  /** Units to be sent, unless an alert has taken their place. */
  protected send(...units: readonly Bytes[]): void {
    if (!this.#error) this.#made.push(...units);
  }

  /** Records that have their numbers: they are sent whatever happens meanwhile. */
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
      // An alert that cannot be made is an alert less; the error is the one that was to be told.
    }
    return { state: 'failed', error };
  }

  async #run(task: () => Promise<HandshakeStep>): Promise<HandshakeStep> {
    if (this.#failing) return this.#failing;
    try {
      const step = await task();
      // It may have been ended meanwhile.
      return await (this.#ended() ?? step);
    } catch (error) {
      return this.fail(toK4netError(error, 'K4NET_INTERNAL', 'the handshake failed'));
    }
  }

  #ended(): Promise<HandshakeStep> | undefined {
    return this.#failing;
  }
}

/** A unit as it goes on the wire. */
export function unit(body: Bytes): Bytes {
  return concatBytes([u32(body.length), body]);
}

/** The unit with which a server refuses a client before the handshake: the alert `busy` in the clear. */
export function busyUnit(): Bytes {
  return unit(encodeClearAlert(alertNumber.busy, alertName(alertNumber.busy)));
}

/**
 * The alert record for an error, or nothing where the peer is not told or has been told before.
 *
 * @param app - the application's number and words, for `K4NET_APPLICATION`; other alerts say their kind only.
 */
export async function sealAlert(
  sealer: RecordSealer,
  error: K4netError,
  app?: { readonly code: number; readonly text: string },
): Promise<readonly Bytes[]> {
  const alert = alertFor(error.code);
  if (alert === undefined || sealer.ended) return [];
  const told = error.code === 'K4NET_APPLICATION' ? app : undefined;
  return sealer.alert(alert, told?.code ?? 0, told?.text ?? alertName(alert));
}
