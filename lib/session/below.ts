import { K4netError } from '../errors.js';
import type { Sink, Transport } from '../transport/transport.js';
import type { Bytes } from '../util/bytes.js';
import { Deferred, startTimer } from '../util/wait.js';

/** Milliseconds between the end of this side and its close: the peer reads the last record. */
const lingerTime = 1_000;

/**
 * The transport below a session, with the only timer of the session: first the deadline of the
 * handshake, later the time until the connection is closed. Drops writes to a transport that has
 * closed.
 */
export class TransportBelow {
  readonly inner: Transport;
  #gone = false;
  /** Made on demand: only servers wait for it. */
  #whenGone: Deferred<void> | undefined;
  #attached = 0;
  #timer: { stop(): void } | undefined;

  constructor(inner: Transport) {
    this.inner = inner;
  }

  get isGone(): boolean {
    return this.#gone;
  }

  /** Resolves when the transport has reported its close. */
  get whenGone(): Promise<void> {
    this.#whenGone ??= new Deferred();
    if (this.#gone) this.#whenGone.resolve();
    return this.#whenGone.promise;
  }

  /** Called when the transport has reported its close. */
  markGone(): void {
    this.#gone = true;
    this.#whenGone?.resolve();
  }

  attach(sink: Sink): void {
    this.#attached = performance.now();
    this.inner.attach(sink);
  }

  /** Milliseconds since the transport was attached, as text for the debug log. */
  get age(): string {
    return (performance.now() - this.#attached).toFixed(1);
  }

  resume(): void {
    if (!this.#gone) this.inner.resume();
  }

  write(units: readonly Bytes[]): void {
    if (!this.#gone && units.length > 0) this.inner.write(units);
  }

  abort(cause?: K4netError): void {
    this.inner.abort(cause);
  }

  /**
   * Ends this direction, then reads and drops further data of the peer, and closes after a second
   * at the latest: "Errors" in docs/protocol.md. An immediate reset could overtake the last record.
   */
  linger(): void {
    if (!this.#gone) this.inner.end();
    this.inner.resume();
    this.abortLater();
  }

  /** Closes after a second, unless the peer has closed by then. */
  abortLater(): void {
    this.setTimer(lingerTime, () => {
      this.inner.abort();
    });
  }

  /** Starts the timer. Stops the timer that runs, if there is one. */
  setTimer(time: number, then: () => void): void {
    this.stopTimer();
    if (time !== Infinity) this.#timer = startTimer(then, time);
  }

  stopTimer(): void {
    this.#timer?.stop();
    this.#timer = undefined;
  }
}

/** Bytes of the shortest unit: its length field and the header of a handshake body. */
const shortestUnit = 4 + 6;

/**
 * The error for a transport that closed too early. A plain peer resets the connection when it has
 * read the first unit, so the error for a close before any unit names that possible cause.
 *
 * @param cause - the error of the transport, if there is one.
 * @param received - bytes received so far.
 */
export function closeError(cause: K4netError | undefined, received: number): K4netError {
  if (received >= shortestUnit)
    return cause ?? new K4netError('K4NET_CONNECTION', 'the connection is closed');
  const text =
    'the connection broke before the peer sent a byte: the peer may be a plain socket (plain: true), or not k4net';
  return new K4netError('K4NET_CONNECTION', text, { cause: cause?.cause ?? cause });
}
