import { K4netError, TimeoutError, toK4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { Delivery, type DeliveryOwner } from '../transport/delivery.js';
import type { Sink, Transport } from '../transport/transport.js';
import { WriteQueue } from '../transport/write-queue.js';
import type { Bytes } from '../util/bytes.js';
import { bareFrame, flags, headerLength, kinds, type Frame } from './frame.js';
import { Liveness } from './liveness.js';
import type { SessionEnd, SessionHub, SessionStart } from './session-end.js';
import { SessionState } from './session-state.js';
import { isEnd, probeLetter } from './subjects.js';

/** Milliseconds that a session which has ended waits until the peer has its end. */
const lingerTime = 3_000;

/** A session over NATS as a transport. See "Frames over NATS" in docs/protocol.md. */
export class NatsTransport implements Transport, SessionEnd, DeliveryOwner {
  readonly remoteAddress = '';
  readonly localAddress = '';
  readonly target: string;
  readonly #hub: SessionHub;
  readonly #token: string;
  readonly #subject: string;
  readonly #onGone: (() => void) | undefined;
  readonly #state: SessionState;
  readonly #life: Liveness;
  readonly #delivery = new Delivery(this);
  readonly #writes = new WriteQueue();
  /** The sink waits for `drain`. */
  #needDrain = false;
  /** Both directions have ended, and the sink is closed without a cause. */
  #finished = false;
  /** The sink is closed with a cause. */
  #failed = false;
  #lingerUntil = Infinity;
  /** The token is free. */
  #gone = false;

  constructor(hub: SessionHub, { token, target, granted, limit, onGone }: SessionStart) {
    this.#hub = hub;
    this.#token = token;
    this.#subject = hub.subjectOf(token);
    this.target = target;
    this.#onGone = onGone;
    this.#state = new SessionState(granted, limit);
    this.#life = new Liveness(hub.heartbeat, hub.now());
    hub.set(token, this);
    this.#schedule();
  }

  /** Whether NATS says that nobody listens at the peer. */
  get isDoubted(): boolean {
    return this.#life.isDoubted;
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#delivery.attach(sink, surplus);
  }

  resume(): void {
    this.#delivery.resume();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    if (this.#gone || this.#state.sending !== 'open') return true;
    this.#writes.push(parts, done);
    this.#pump();
    if (this.#writes.isEmpty) return true;
    this.#needDrain = true;
    return false;
  }

  end(): void {
    if (this.#gone || this.#state.sending !== 'open') return;
    this.#state.sending = 'ending';
    this.#pump();
  }

  abort(cause?: K4netError): void {
    this.#cut(cause ?? new K4netError('K4NET_CONNECTION', 'this side cut the connection'), true);
  }

  // The connection to NATS belongs to the program, and keeps the process alive.
  ref(): void {
    // Nothing to do.
  }

  unref(): void {
    // Nothing to do.
  }

  // Events of the hub

  receive(frame: Frame, reply: string | undefined, now: number): void {
    const { kind } = frame;
    if (kind === kinds.accept) {
      // A copy of this side's `open` reached a second instance.
      if (reply !== this.target && isEnd(reply)) this.#hub.reset(reply);
    } else if (kind === kinds.reset) {
      this.#cut(new K4netError('K4NET_CONNECTION', 'the peer cut the connection'), false);
    } else if (kind === kinds.frame || kind === kinds.again) {
      this.#receive(frame, now);
    }
  }

  violated(error: K4netError): void {
    this.#cut(error, true);
  }

  noResponders(now: number): void {
    if (this.#finished) this.#forget();
    else if (this.#life.doubt(now)) this.#hub.doubt(this.target);
    this.#schedule();
  }

  probe(now: number): void {
    if (this.#life.mayAsk(now)) this.#ask(now);
  }

  tick(now: number): number {
    if (now >= this.#lingerUntil) this.#forget();
    const verdict = this.#life.judge(now);
    if (verdict === 'gone') {
      this.#cut(new K4netError('K4NET_CONNECTION', 'the peer is gone: nobody listens at its subject'), false);
    } else if (verdict === 'silent') {
      const { timeout } = this.#hub.heartbeat;
      this.#cut(new TimeoutError('nothing came from the peer', timeout, {}, 'heartbeat.timeout'), true);
    } else if (!this.#hub.isAway) {
      const due = this.#state.tick(now);
      if (verdict === 'ask' || due === 'ask') this.#ask(now);
      if (due === 'again') this.#publish(this.#state.again(now));
      else if (due === 'have') this.#publish(this.#state.bare(0));
    }
    return this.#due;
  }

  reconnected(now: number): void {
    this.#ask(now);
    this.#progress();
  }

  forgive(milliseconds: number): void {
    this.#life.forgive(milliseconds);
  }

  fail(why: string, cause?: unknown): void {
    this.#cut(new K4netError('K4NET_CONNECTION', why, { cause }), false);
  }

  // Events of the delivery

  taken(): void {
    // The bytes that wait tell how many the sink has taken.
  }

  flowed(): void {
    this.#pump();
  }

  ended(): void {
    this.#state.receiving = 'told';
    this.#finish();
  }

  // Receiving

  #receive(frame: Frame, now: number): void {
    this.#life.heard(now);
    let received;
    try {
      received = this.#state.receive(frame, now);
    } catch (error) {
      this.violated(toK4netError(error, 'K4NET_INTERNAL', 'reading failed'));
      return;
    }
    const { isNext, end, answer, again, repeat } = received;
    if (isNext && frame.data.length > 0) this.#delivery.data(frame.data, false);
    if (again && !this.#hub.isAway) this.#publish(this.#state.again(now));
    if (repeat && !this.#hub.isAway) {
      for (const each of this.#state.repeat(now, this.#hub.window)) this.#publish(each, this.#subject);
    }
    if ((answer || end) && !this.#hub.isAway) this.#publish(this.#state.bare(0));
    if (isNext && end) this.#delivery.end();
    this.#progress();
    // A peer that has finished is gone soon. The sink may take longer for what waits.
    if (this.#state.exchanged) this.#leave();
    this.#schedule();
  }

  // Sending

  /** Sends, and tells the sink that there is room. */
  #progress(): void {
    this.#pump();
    if (!this.#needDrain || !this.#writes.isEmpty || this.#gone) return;
    this.#needDrain = false;
    this.#delivery.drain();
  }

  /** Sends everything that may be sent: data, the end, a grant. */
  #pump(): void {
    if (this.#gone || this.#hub.isAway) return;
    const hub = this.#hub;
    const { window, longestData } = hub;
    const state = this.#state;
    this.#grant(window);
    while (!this.#writes.isEmpty && !this.#isGone()) {
      const { length } = this.#writes;
      const room = state.room(length, window, hub.now());
      if (length > 0 && room === 0) break;
      this.#sendData(Math.min(length, room, longestData));
    }
    if (this.#writes.isEmpty && state.sending === 'ending' && state.mayEnd(window, hub.now())) {
      this.#sendFrame(new Uint8Array(headerLength), true);
      if (!this.#isGone()) this.#finish();
    }
    if (this.#grant(window) && !this.#isGone()) this.#publish(state.bare(0));
    this.#schedule();
  }

  /** A sink that has stopped grants nothing. */
  #grant(window: number): boolean {
    return this.#delivery.reading && this.#state.grant(this.#delivery.waiting, window);
  }

  #sendData(length: number): void {
    const frame = new Uint8Array(headerLength + length);
    const done = this.#writes.fill(frame, headerLength);
    if (length > 0) this.#sendFrame(frame, false);
    if (done.length === 0) return;
    nextTurn(() => {
      for (const each of done) if (!this.#failed) each();
    });
  }

  #sendFrame(frame: Bytes, end: boolean): void {
    const asks = this.#state.send(frame, end, this.#hub.now(), this.#hub.window);
    this.#publish(frame, asks ? this.#subject + probeLetter : this.#subject);
  }

  #ask(now: number): void {
    if (this.#gone || this.#hub.isAway) return;
    this.#life.asked(now);
    this.#publish(this.#state.bare(flags.ask), this.#subject + probeLetter);
  }

  #publish(frame: Bytes, reply?: string): void {
    if (this.#gone) return;
    try {
      this.#hub.publish(this.target, frame, reply);
    } catch (cause) {
      this.fail('the client of NATS refused a message', cause);
    }
  }

  #schedule(): void {
    if (!this.#gone) this.#hub.schedule(this.#due);
  }

  get #due(): number {
    if (this.#gone) return Infinity;
    return Math.min(this.#life.due, this.#state.due, this.#lingerUntil);
  }

  // Closing

  /** Closes when both directions have ended. The peer may still need a repetition of the end. */
  #finish(): void {
    if (!this.#state.over || this.#finished) return;
    this.#finished = true;
    this.#delivery.close();
    if (this.#state.allAcked) this.#leave();
    else this.#lingerUntil = this.#hub.now() + lingerTime;
    this.#schedule();
  }

  /** Drops everything, and closes the sink with the cause in a later turn. */
  #cut(cause: K4netError, reset: boolean): void {
    if (this.#finished || this.#failed) {
      this.#forget();
      return;
    }
    this.#failed = true;
    if (reset && !this.#gone && !this.#hub.isAway) {
      try {
        this.#hub.publish(this.target, bareFrame(kinds.reset, 0));
      } catch {
        // The session ends with a cause anyway.
      }
    }
    this.#forget();
    this.#writes.clear();
    this.#delivery.close(cause);
  }

  /** Ends in order. The peer may still ask whether its end has come. */
  #leave(): void {
    if (this.#gone) return;
    const last = this.#state.isKnown ? undefined : this.#state.bare(0);
    this.#forget();
    if (last) this.#hub.linger(this.#token, this.target, last);
  }

  #forget(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#state.clear();
    this.#hub.remove(this.#token, this);
    this.#onGone?.();
  }

  /** For a check behind a call that can change it. */
  #isGone(): boolean {
    return this.#gone;
  }
}
