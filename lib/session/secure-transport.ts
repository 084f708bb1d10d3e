import type { Bytes } from '../util/bytes.js';
import { causeOf, debug, nameOf } from '../util/debug.js';
import { K4netError, TimeoutError, toK4netError } from '../errors.js';
import type { Sink, Transport } from '../transport/transport.js';
import { Deferred, markHandled } from '../util/wait.js';
import { TransportBelow, closeError } from './below.js';
import { HandshakeDriver, type SessionPlan } from './handshake/driver.js';
import { RecordChannel, type ChannelOwner } from './record/channel.js';
import { FlowGate } from './record/flow-gate.js';
import type { Session } from './session.js';

/**
 * A transport over another one that encrypts everything. `start` or the first `write` begins the
 * handshake. See "Units", "Records" and "Closing" in docs/protocol.md.
 */
export class SecureTransport implements Transport {
  readonly encrypted = true;
  /** Resolves when the handshake and the server's confirm have succeeded, and otherwise rejects. */
  readonly ready: Promise<Session>;
  #ready: Deferred<Session> | undefined;
  readonly #below: TransportBelow;
  readonly #plan: SessionPlan;
  readonly #gate = new FlowGate();
  readonly #sink: Sink & ChannelOwner;
  #state: 'idle' | 'handshake' | 'open' | 'over' = 'idle';
  /** Runs the handshake. Undefined before and after it. */
  #driver: HandshakeDriver | undefined;
  /** Set as soon as the handshake has made a session. */
  #channel: RecordChannel | undefined;
  /** Writes that wait until the session is open. */
  #early: Parameters<Transport['write']>[] | undefined;
  #innerEnded = false;
  /** The transport below closed while this side was still finishing the handshake. */
  #goneEarly: { readonly cause: K4netError | undefined } | undefined;
  #received = 0;
  /** Whether `end` was called. */
  #ended = false;
  #session: Session | undefined;

  constructor(inner: Transport, plan: SessionPlan) {
    this.#below = new TransportBelow(inner);
    this.#plan = plan;
    this.#sink = new SecureTransport.#TransportSink(this);
    this.#ready = new Deferred();
    this.ready = markHandled(this.#ready.promise);
  }

  get remoteAddress(): string {
    return this.#below.inner.remoteAddress;
  }

  get localAddress(): string {
    return this.#below.inner.localAddress;
  }

  get received(): number {
    return this.#below.inner.received ?? this.#received;
  }

  /** The state of the session. */
  get state(): 'idle' | 'handshake' | 'open' | 'over' {
    return this.#state;
  }

  /** The session, once its handshake has succeeded. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Resolves when the transport below is gone. */
  get whenGone(): Promise<void> {
    return this.#below.whenGone;
  }

  /** Begins the handshake, unless it has begun. */
  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'handshake';
    debug?.(`handshake with ${nameOf(this)} begun`);
    this.#below.setTimer(this.#plan.timeout, () => {
      const { timeout } = this.#plan;
      this.#fail(new TimeoutError('the handshake did not succeed', timeout, undefined, 'handshakeTimeout'));
    });
    this.#below.attach(this.#sink);
    this.#driver = new HandshakeDriver(this.#below);
    void this.#handshake(this.#driver);
  }

  /** Closes cleanly, unless the handshake has begun. */
  dismiss(): void {
    if (this.#state !== 'idle') return;
    this.#below.attach(this.#sink);
    this.#finish(new K4netError('K4NET_CLOSED', 'the socket was closed before its handshake'));
    this.#below.linger();
    this.#gate.cut();
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#gate.attach(sink, surplus, () => {
      this.#resumeBelow();
    });
  }

  resume(): void {
    this.#gate.resume();
    this.#resumeBelow();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    if (this.#state === 'over') return true;
    if (this.#state === 'open' && this.#channel) return this.#channel.write(parts, done);
    (this.#early ??= []).push([parts, done]);
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
    const error = cause ?? new K4netError('K4NET_CONNECTION', 'this side cut the connection');
    const state = this.#state;
    this.#finish(error);
    this.#gate.cut(error);
    if (state === 'idle') this.#below.attach(this.#sink);
    // Once the session is open, a timeout of this side has no alert: the peer sees a cut.
    const sendsAlert = state === 'handshake' || (state === 'open' && error.code !== 'K4NET_TIMEOUT');
    if (sendsAlert) void this.#sendAlert(error, true);
    else this.#below.abort(error);
  }

  ref(): void {
    this.#below.inner.ref();
  }

  unref(): void {
    this.#below.inner.unref();
  }

  /** Changes the key of this direction now. */
  rekey(): void {
    if (this.#state === 'open' && !this.#ended) this.#channel?.rekey();
  }

  async #handshake(driver: HandshakeDriver): Promise<void> {
    try {
      const session = await driver.run(() => this.#plan.begin());
      if (session && !this.#isOver()) await this.#establish(session, driver.rest());
    } catch (error) {
      this.#fail(toK4netError(error, 'K4NET_INTERNAL', 'the handshake failed'));
    }
  }

  /** @param surplus - bytes received after the last unit of the handshake. */
  async #establish(session: Session, surplus: readonly Bytes[]): Promise<void> {
    this.#driver = undefined;
    const channel = new RecordChannel(this.#below.inner, session, this.#gate, this.#sink);
    this.#channel = channel;
    for (const chunk of surplus) channel.push(chunk);
    if (this.#innerEnded) channel.endOfStream();
    this.#resumeBelow();
    await channel.confirmed();
    if (this.#isOver()) return;
    await this.#plan.succeeded(session);
    if (this.#isOver()) return;
    this.#below.stopTimer();
    this.#state = 'open';
    this.#session = session;
    debug?.(`handshake with ${nameOf(this)} succeeded in ${this.#below.age} ms`);
    this.#ready?.resolve(session);
    this.#ready = undefined;
    this.#gate.release();
    this.#writeEarly(channel);
    if (this.#goneEarly) this.#onGone(this.#goneEarly.cause);
    else this.#resumeBelow();
  }

  /** Each early write has returned false, so a `drain` must follow. */
  #writeEarly(channel: RecordChannel): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    channel.begin();
    for (const write of early) channel.write(...write);
    if (early.length > 0) channel.needDrain();
    if (this.#ended) channel.end();
    else channel.drain();
  }

  /** After the handshake, content that was received before the failure is still delivered. */
  #fail(error: K4netError): void {
    if (this.#isOver()) return;
    const state = this.#state;
    this.#finish(error);
    if (state === 'open') this.#gate.fail(error);
    else this.#gate.cut(error);
    void this.#sendAlert(error, false);
  }

  #finish(error: K4netError): void {
    if (this.#state === 'handshake') {
      debug?.(`handshake with ${nameOf(this)} failed after ${this.#below.age} ms, ${causeOf(error)}`);
    }
    this.#state = 'over';
    this.#below.stopTimer();
    this.#early = undefined;
    this.#ready?.reject(error);
    this.#ready = undefined;
    this.#channel?.stop();
    this.#driver?.stop();
  }

  /** Sends the alert for an error and ends. With `reset` and no alert, cuts at once. */
  async #sendAlert(error: K4netError, reset: boolean): Promise<void> {
    let units: readonly Bytes[] = [];
    try {
      units = (await (this.#channel ?? this.#driver)?.fail(error)) ?? [];
    } catch {
      // The connection ends without an alert if the alert cannot be sealed.
    }
    if (this.#below.isGone) return;
    if (reset && units.length === 0) {
      this.#below.abort(error);
    } else {
      this.#below.write(units);
      this.#below.linger();
    }
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #onEnd(): void {
    this.#innerEnded = true;
    if (this.#isOver()) return;
    if (this.#channel?.peerEnded && this.#state === 'open') this.#below.stopTimer();
    if (this.#channel) this.#channel.endOfStream();
    else this.#driver?.end();
  }

  #onClose(cause: K4netError | undefined): void {
    this.#below.markGone();
    const gone = (): void => {
      this.#onGone(cause);
    };
    if (this.#channel) this.#channel.close(gone);
    else gone();
  }

  #onGone(cause: K4netError | undefined): void {
    if (this.#state === 'handshake' && this.#channel && !this.#channel.awaitingConfirm) {
      // The peer has finished its part of the handshake: deliver its messages and its end first.
      this.#goneEarly = { cause };
      return;
    }
    if (this.#state === 'open' && this.#channel?.over) {
      this.#state = 'over';
      this.#channel.stop();
      this.#gate.close();
    } else {
      this.#fail(closeError(cause, this.#state === 'handshake' ? this.#received : Infinity));
    }
    this.#below.stopTimer();
  }

  /** One direction has ended. When both have, the peer has a second to close the connection. */
  #onDirectionEnd(): void {
    if (this.#state === 'open' && this.#channel?.over && !this.#innerEnded) this.#below.abortLater();
  }

  #resumeBelow(): void {
    if (this.#state === 'idle' || this.#below.isGone) return;
    if (this.#channel && !this.#isOver()) this.#channel.resume();
    else this.#below.resume();
  }

  /**
   * Receives the calls of the transport below and of the record channel: one object for each
   * connection instead of a closure for each call.
   */
  static readonly #TransportSink = class implements Sink, ChannelOwner {
    readonly #above: SecureTransport;

    constructor(above: SecureTransport) {
      this.#above = above;
    }

    data(chunk: Bytes): boolean {
      const above = this.#above;
      above.#received += chunk.length;
      if (above.#state === 'over') return true;
      const more = above.#channel ? above.#channel.push(chunk) : (above.#driver?.push(chunk) ?? true);
      return more || above.#isOver();
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

    ended(): void {
      this.#above.#onDirectionEnd();
    }
  };
}
