import type { Bytes } from '../util/bytes.js';
import { causeOf, debug, nameOf } from '../util/debug.js';
import { K4netError, TimeoutError, toK4netError } from '../errors.js';
import type { Sink, Transport } from '../transport/transport.js';
import { Deferred, markHandled, startTimer } from '../util/wait.js';
import { FlowGate } from './record/flow-gate.js';
import type { Handshake } from './handshake/machine.js';
import { HandshakeDriver } from './handshake/driver.js';
import { RecordChannel, type ChannelOwner } from './record/channel.js';
import type { Session } from './session.js';

/** What a transport needs for its session. */
export interface SessionPlan {
  /** Gets the keys and makes the state machine of the handshake. */
  begin(): Promise<Handshake>;
  /** The whole handshake has succeeded: the moment to remember a key. A rejection fails the session. */
  succeeded(session: Session): Promise<void>;
  /** Milliseconds for the handshake, from its start. */
  readonly timeout: number;
}

/** Bytes of the shortest unit: its length and the head of a message. */
const shortestUnit = 4 + 6;

/** How long a side that has said its last word lets the other one read it, in milliseconds. */
const lingerTime = 1_000;

interface Write {
  readonly parts: readonly Bytes[];
  readonly done: (() => void) | undefined;
}

/**
 * A transport over another one, with everything in between encrypted: first the handshake, then records. See "Units",
 * "Records" and "Closing" in docs/protocol.md.
 *
 * It begins when `start` is called or something is written, not before.
 */
export class SecureTransport implements Transport {
  readonly encrypted = true;
  /** Resolves when the handshake has succeeded, the server's confirm included; rejects when it has failed. */
  readonly ready: Promise<Session>;
  #ready: Deferred<Session> | undefined;
  readonly #inner: Transport;
  readonly #plan: SessionPlan;
  readonly #delivery = new FlowGate();
  readonly #transportSink: Sink & ChannelOwner;
  #state: 'idle' | 'handshake' | 'open' | 'over' = 'idle';
  /** There until the handshake has made a session. */
  #driver: HandshakeDriver | undefined;
  #confirmed: Deferred<void> | undefined;
  #session: Session | undefined;
  /** There as soon as there is a session. */
  #channel: RecordChannel | undefined;
  /** What was written before the session was open. */
  #early: Write[] | undefined;
  #timer: { stop(): void } | undefined;
  /** When the handshake began, in milliseconds. */
  #began = 0;
  #innerEnded = false;
  #innerGone = false;
  /** The transport below went while this side was still finishing the handshake. */
  #goneBefore: { readonly cause: K4netError | undefined } | undefined;
  #received = 0;
  /** Our direction was asked to end. */
  #ended = false;
  #established = false;

  constructor(inner: Transport, plan: SessionPlan) {
    this.#inner = inner;
    this.#plan = plan;
    this.#transportSink = new SecureTransport.#TransportSink(this);
    this.#ready = new Deferred();
    this.ready = markHandled(this.#ready.promise);
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }

  get localAddress(): string {
    return this.#inner.localAddress;
  }

  get received(): number {
    return this.#inner.received ?? this.#received;
  }

  /** Where the session is in its life. */
  get state(): 'idle' | 'handshake' | 'open' | 'over' {
    return this.#state;
  }

  /** The session, once its handshake has succeeded. */
  get session(): Session | undefined {
    return this.#established ? this.#session : undefined;
  }

  /** Begins the handshake, if it has not begun. */
  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'handshake';
    this.#began = performance.now();
    debug?.(`handshake with ${nameOf(this)} begun`);
    this.#setTimer(this.#plan.timeout, () => {
      this.#fail(new TimeoutError('the handshake did not succeed', this.#plan.timeout));
    });
    this.#attachInner();
    this.#driver = new HandshakeDriver({
      write: (units) => {
        this.#writeInner(units);
      },
      resume: () => {
        if (!this.#innerGone) this.#inner.resume();
      },
    });
    void this.#handshake(this.#driver);
  }

  /** Ends in good order without ever having begun. */
  dismiss(): void {
    if (this.#state !== 'idle') return;
    this.#attachInner();
    this.#finish(new K4netError('K4NET_CLOSED', 'the socket was closed before its handshake'));
    this.#linger();
    this.#delivery.cut();
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#delivery.attach(sink, surplus, () => {
      this.#resumeInner();
    });
  }

  resume(): void {
    this.#delivery.resume();
    this.#resumeInner();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    if (this.#state === 'over') return true;
    if (this.#state === 'open' && this.#channel) return this.#channel.write(parts, done);
    (this.#early ??= []).push({ parts, done });
    this.start();
    return false;
  }

  end(): void {
    if (this.#ended || this.#state === 'over') return;
    this.#ended = true;
    this.start();
    if (this.#state === 'open') this.#channel?.end();
  }

  abort(cause?: K4netError): void {
    const error = cause ?? new K4netError('K4NET_CONNECTION', 'the connection was cut by this side');
    const state = this.#state;
    this.#finish(error);
    this.#delivery.cut(error);
    if (state === 'idle') this.#attachInner();
    // A deadline of our own is no news to the peer once the session is open: to it the connection is cut.
    const told = state === 'handshake' || (state === 'open' && error.code !== 'K4NET_TIMEOUT');
    if (told) void this.#tell(error, true);
    else this.#inner.abort(error);
  }

  ref(): void {
    this.#inner.ref();
  }

  unref(): void {
    this.#inner.unref();
  }

  /** Changes the key of this direction now. */
  rekey(): void {
    if (this.#state === 'open' && !this.#ended) this.#channel?.rekey();
  }

  async #handshake(driver: HandshakeDriver): Promise<void> {
    try {
      const session = await driver.run(() => this.#plan.begin());
      if (session && !this.#isFinished()) await this.#establish(session, driver.rest());
    } catch (error) {
      this.#fail(toK4netError(error, 'K4NET_INTERNAL', 'the handshake failed'));
    }
  }

  async #establish(session: Session, surplus: readonly Bytes[]): Promise<void> {
    this.#driver = undefined;
    this.#session = session;
    const channel = new RecordChannel(this.#inner, session, this.#delivery, this.#transportSink);
    this.#channel = channel;
    if (session.confirmPending) this.#confirmed = new Deferred();
    for (const chunk of surplus) channel.push(chunk);
    if (this.#innerEnded) channel.endOfStream();
    this.#resumeInner();
    await this.#confirmed?.promise;
    this.#confirmed = undefined;
    if (this.#isFinished()) return;
    await this.#plan.succeeded(session);
    if (this.#isFinished()) return;
    this.#stopTimer();
    this.#state = 'open';
    this.#established = true;
    debug?.(`handshake with ${nameOf(this)} succeeded in ${this.#elapsed()} ms`);
    this.#ready?.resolve(session);
    this.#ready = undefined;
    this.#delivery.release();
    this.#flow(channel);
    if (this.#goneBefore) this.#onGone(this.#goneBefore.cause);
    else this.#resumeInner();
  }

  /** What was written before goes out first, and whoever wrote it was told to wait. */
  #flow(channel: RecordChannel): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    channel.begin();
    for (const { parts, done } of early) channel.write(parts, done);
    if (early.length > 0) channel.needDrain();
    if (this.#ended) channel.end();
    else channel.drain();
  }

  /** Both sides have said their end. A peer that leaves the connection open all the same is not waited for. */
  #settle(): void {
    if (this.#state === 'open' && this.#channel?.over && !this.#innerEnded) {
      this.#setTimer(lingerTime, () => {
        this.#inner.abort();
      });
    }
  }

  // The end

  /** What was received before the failure is still delivered, unless that was within the handshake. */
  #fail(error: K4netError): void {
    if (this.#isFinished()) return;
    const state = this.#state;
    this.#finish(error);
    if (state === 'open') this.#delivery.fail(error);
    else this.#delivery.cut(error);
    void this.#tell(error, false);
  }

  #finish(error: K4netError): void {
    if (this.#state === 'handshake') {
      debug?.(`handshake with ${nameOf(this)} failed after ${this.#elapsed()} ms, ${causeOf(error)}`);
    }
    this.#state = 'over';
    this.#stopTimer();
    this.#early = undefined;
    this.#ready?.reject(error);
    this.#ready = undefined;
    this.#channel?.stop();
    this.#driver?.stop();
    this.#confirmed?.resolve();
  }

  /** Tells the peer why, where it is to be told, and leaves. */
  async #tell(error: K4netError, hard: boolean): Promise<void> {
    const session = this.#session;
    let units: readonly Bytes[] = [];
    try {
      units = session ? await session.sealer.fail(error) : ((await this.#driver?.tell(error)) ?? []);
    } catch {
      // An alert that cannot be sealed is an alert less; the connection is left all the same.
    }
    if (this.#innerGone) return;
    if (hard && units.length === 0) {
      this.#inner.abort(error);
    } else {
      this.#writeInner(units);
      this.#linger();
    }
  }

  /** A reset would overtake what was said last: end, drop what comes, and leave when the peer has or after a while. */
  #linger(): void {
    this.#endInner();
    this.#inner.resume();
    this.#setTimer(lingerTime, () => {
      this.#inner.abort();
    });
  }

  #elapsed(): string {
    return (performance.now() - this.#began).toFixed(1);
  }

  #isFinished(): boolean {
    return this.#state === 'over';
  }

  #stopTimer(): void {
    this.#timer?.stop();
    this.#timer = undefined;
  }

  #setTimer(time: number, then: () => void): void {
    this.#stopTimer();
    if (time !== Infinity) this.#timer = startTimer(then, time);
  }

  // The transport below

  #attachInner(): void {
    this.#inner.attach(this.#transportSink);
  }

  #onEnd(): void {
    this.#innerEnded = true;
    if (this.#isFinished()) return;
    if (this.#channel?.peerEnded && this.#state === 'open') this.#stopTimer();
    if (this.#channel) this.#channel.endOfStream();
    else this.#driver?.end();
  }

  #onData(chunk: Bytes): boolean {
    this.#received += chunk.length;
    if (this.#isFinished()) return true;
    const more = this.#channel ? this.#channel.push(chunk) : (this.#driver?.push(chunk) ?? true);
    return more || this.#isFinished();
  }

  #onClose(cause: K4netError | undefined): void {
    this.#innerGone = true;
    const gone = (): void => {
      this.#onGone(cause);
    };
    if (this.#channel) this.#channel.close(gone);
    else gone();
  }

  /** A plain socket resets the connection when it has read the first unit. */
  get #heardNothing(): boolean {
    return this.#state === 'handshake' && this.#received < shortestUnit;
  }

  #onGone(cause: K4netError | undefined): void {
    if (this.#state === 'handshake' && this.#channel && !this.#channel.awaitingConfirm) {
      // The peer's part of the handshake has succeeded: its messages and its end are delivered first.
      this.#goneBefore = { cause };
      return;
    }
    if (this.#state === 'open' && this.#channel?.over) {
      this.#state = 'over';
      this.#channel.stop();
      this.#delivery.close();
    } else {
      this.#fail(this.#heardNothing ? unanswered(cause) : (cause ?? goneError()));
    }
    this.#stopTimer();
  }

  #resumeInner(): void {
    if (this.#state === 'idle' || this.#innerGone) return;
    if (this.#channel && !this.#isFinished()) this.#channel.resume();
    else this.#inner.resume();
  }

  #writeInner(units: readonly Bytes[]): void {
    if (!this.#innerGone && units.length > 0) this.#inner.write(units);
  }

  #endInner(): void {
    if (!this.#innerGone) this.#inner.end();
  }

  /**
   * What the transport below and the records call. One object, and not a closure for every call, because every connection
   * has it as long as it lives.
   */
  static readonly #TransportSink = class implements Sink, ChannelOwner {
    readonly #above: SecureTransport;

    constructor(above: SecureTransport) {
      this.#above = above;
    }

    data(chunk: Bytes): boolean {
      return this.#above.#onData(chunk);
    }

    drain(): void {
      this.#above.#channel?.onDrain();
    }

    end(): void {
      this.#above.#onEnd();
    }

    close(cause?: K4netError): void {
      this.#above.#onClose(cause);
    }

    failed(error: unknown): void {
      this.#above.#fail(toK4netError(error, 'K4NET_INTERNAL', 'the session failed'));
    }

    confirmed(): void {
      this.#above.#confirmed?.resolve();
    }

    ended(): void {
      this.#above.#settle();
    }
  };
}

function goneError(): K4netError {
  return new K4netError('K4NET_CONNECTION', 'the connection is gone');
}

/** @param cause - the system's error, if there is one. */
function unanswered(cause: K4netError | undefined): K4netError {
  const text =
    'the connection broke before the peer said anything: it may be a plain socket (plain: true), or not k4net at all';
  return new K4netError('K4NET_CONNECTION', text, { cause: cause?.cause ?? cause });
}
