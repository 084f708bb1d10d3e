import { K4netError, toK4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import { debug } from '../util/debug.js';
import { startTimer, type AbortSignalLike, type Timer } from '../util/wait.js';
import { EndedSessions } from './ended-sessions.js';
import { bareFrame, headerLength, kinds, longestFrame, parseFrame } from './frame.js';
import type { HubSettings } from './hub-settings.js';
import type { HeartbeatTimes } from './liveness.js';
import { HubEvent } from './hub-event.js';
import { violationIn, type NatsConnectionLike, type NatsMessageLike } from './nats-connection.js';
import type { NatsTransport } from './nats-transport.js';
import { notNow, Opening, unlessAborted } from './opening.js';
import { guard, type SessionEnd, type SessionHub } from './session-end.js';
import { SessionEnds } from './session-ends.js';
import { isReply, probeLetter, randomToken } from './subjects.js';

/** Bytes that all peers of one connection to NATS may send at a time, about. */
const sharedWindow = 16 * 1024 * 1024;
/** The window of a session, however many there are. */
const shortestWindow = 8 * 1024;
/** Milliseconds between two rounds of the timer, at least. */
const shortestRound = 50;
/** A timer that is so late shows that the process was stopped or blocked. */
const lateRound = 1_000;
/** The rounds while NATS is away, where only the silence counts. */
const awayRound = 500;
/** The length of a full frame, however little the server of NATS takes. */
const shortestFrame = 1024;

type ViolationEvent = HubEvent<[subject: string, error: K4netError]>;

/** A subscription that the hub made. */
export interface HubSubscription {
  unsubscribe(): void;
  /** Lets what is under way arrive, and then ends. */
  drain(): void;
}

/**
 * All sessions over one connection to NATS: its one subscription for them, their tokens, and the
 * one timer.
 */
export class Hub implements SessionHub {
  readonly nc: NatsConnectionLike;
  readonly settings: HubSettings;
  /** The connection to NATS is back. */
  readonly onReconnect: HubEvent = new HubEvent();
  /** The connection to NATS has closed for good. */
  readonly onClosed: HubEvent = new HubEvent();
  /** NATS does not permit to publish to a subject. */
  readonly onViolation: ViolationEvent = new HubEvent();
  readonly #prefix: string;
  readonly #ends = new SessionEnds();
  readonly #ended = new EndedSessions();
  #ready: Promise<void> | undefined;
  /** The error of the server of NATS about the subscription. */
  #refusal: Error | undefined;
  #away = false;
  #timer: Timer | undefined;
  #armed = Infinity;

  constructor(nc: NatsConnectionLike, settings: HubSettings) {
    this.nc = nc;
    this.settings = settings;
    this.#prefix = `${settings.inboxPrefix}.${randomToken()}.`;
    this.#watch().catch(() => undefined);
    nc.closed().then(this.#closed, this.#closed);
  }

  get window(): number {
    const share = Math.floor(sharedWindow / Math.max(1, this.#ends.size));
    return Math.min(this.settings.window, Math.max(share, shortestWindow));
  }

  get longestData(): number {
    const most = this.nc.info?.max_payload ?? longestFrame;
    // The server of NATS can announce anything. The client of NATS refuses what is too long.
    const frame = most >= longestFrame ? longestFrame : most >= shortestFrame ? most : shortestFrame;
    return frame - headerLength;
  }

  get isAway(): boolean {
    return this.#away;
  }

  get heartbeat(): HeartbeatTimes {
    return this.settings.heartbeat;
  }

  now(): number {
    return performance.now();
  }

  subjectOf(token: string): string {
    return this.#prefix + token;
  }

  publish(subject: string, frame: Uint8Array, reply?: string): void {
    this.nc.publish(subject, frame, reply === undefined ? undefined : { reply });
  }

  reset(subject: string): void {
    this.#tell(subject, bareFrame(kinds.reset, 0));
  }

  set(token: string, end: SessionEnd): void {
    this.#ends.set(token, end);
  }

  remove(token: string, end: SessionEnd): void {
    this.#ends.remove(token, end);
    if (this.#ends.size > 0) return;
    this.#timer?.stop();
    this.#timer = undefined;
    this.#armed = Infinity;
  }

  /** Whether a session with this peer is open. */
  hasPeer(target: string): boolean {
    return this.#ends.hasTarget(target);
  }

  schedule(due: number): void {
    if (due >= this.#armed || this.#ends.size === 0) return;
    const now = this.now();
    const wait = Math.max(due - now, this.#away ? awayRound : shortestRound);
    // To start the timer anew for each frame would put it off for ever.
    if (now + wait >= this.#armed) return;
    this.#timer?.stop();
    this.#armed = now + wait;
    this.#timer = startTimer(this.#round, wait, false);
  }

  linger(token: string, target: string, frame: Bytes): void {
    this.#ended.add(token, target, frame, this.now());
  }

  doubt(target: string): void {
    this.#ends.doubt(target, this.now());
  }

  /**
   * Resolves when the process hears what comes for its sessions. Rejects with `K4NET_CONNECT`.
   *
   * @param what - what the caller wants to connect to, for messages.
   */
  async ready(what: string): Promise<void> {
    if (this.nc.isClosed()) throw connectError(what, 'the connection to NATS is closed');
    if (this.#away) throw notNow(what, 'there is no connection to NATS now');
    const ready = (this.#ready ??= this.#start());
    try {
      await ready;
    } catch (cause) {
      if (this.#ready === ready) this.#ready = undefined;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw cause === this.#refusal ? connectError(what, why, cause) : notNow(what, why, cause);
    }
  }

  /** Opens a session as a client. */
  async open(target: string, signal: AbortSignalLike): Promise<NatsTransport> {
    // A connection to NATS that is dead and does not know it answers nothing for minutes.
    await unlessAborted(this.ready(target), signal);
    return new Opening(this, target, signal).opened;
  }

  /**
   * Subscribes. The callbacks never throw into the client of NATS, whose reader would stop.
   *
   * @param onError - gets the error that ended the subscription.
   */
  subscribe(
    subject: string,
    queue: string | undefined,
    onMessage: (message: NatsMessageLike) => void,
    onError: (error: Error) => void,
  ): HubSubscription {
    const callback = (error: Error | null, message: NatsMessageLike): void => {
      try {
        if (error) onError(error);
        else onMessage(message);
      } catch (thrown) {
        debug?.(`a message of NATS failed: ${String(thrown)}`);
      }
    };
    const subscription = this.nc.subscribe(subject, queue === undefined ? { callback } : { queue, callback });
    return {
      unsubscribe: () => {
        if (!this.nc.isClosed()) subscription.unsubscribe();
      },
      drain: () => {
        subscription.drain().catch(() => undefined);
      },
    };
  }

  async #start(): Promise<void> {
    this.#refusal = undefined;
    const subscription = this.subscribe(
      `${this.#prefix}*`,
      undefined,
      (message) => {
        this.#receive(message);
      },
      (error) => {
        this.#refusal = error;
        this.#ready = undefined;
        this.#failAll('NATS ended the subscription of this side', error);
      },
    );
    try {
      // The server of NATS processes in order: an error about the subscription comes first.
      await this.nc.flush();
    } catch (error) {
      subscription.unsubscribe();
      throw error;
    }
    this.#throwRefusal();
  }

  #throwRefusal(): void {
    if (this.#refusal) throw this.#refusal;
  }

  #receive(message: NatsMessageLike): void {
    const { subject, data } = message;
    const token = subject.slice(this.#prefix.length);
    const end = this.#ends.get(
      token.length === 12 && token.endsWith(probeLetter) ? token.slice(0, -1) : token,
    );
    const now = this.now();
    if (data.length === 0 && message.headers?.code === 503) {
      end?.noResponders(now);
      return;
    }
    let frame;
    try {
      frame = parseFrame(data);
    } catch (error) {
      end?.violated(toK4netError(error, 'K4NET_INTERNAL', 'reading failed'));
      return;
    }
    const reply = message.reply === '' ? undefined : message.reply;
    if (!end) {
      const last = this.#ended.answerTo(token, frame);
      if (last) this.#tell(last.target, last.frame);
      else if (frame.kind !== kinds.reset && isReply(reply) && !this.#ended.has(token, now))
        this.reset(reply);
      return;
    }
    guard(end, () => {
      end.receive(frame, reply, now);
    });
  }

  #tell(subject: string, frame: Bytes): void {
    if (this.#away) return;
    try {
      this.publish(subject, frame);
    } catch {
      // A stranger notices the silence, and a peer asks again.
    }
  }

  readonly #round = (): void => {
    const now = this.now();
    const late = now - this.#armed;
    this.#armed = Infinity;
    let due = Infinity;
    // Timers run before I/O: what came meanwhile is not read yet.
    if (late > lateRound) for (const end of this.#ends.all) end.forgive(late);
    for (const end of this.#ends.all) due = Math.min(due, end.tick(now));
    this.schedule(due);
  };

  async #watch(): Promise<void> {
    for await (const status of this.nc.status()) {
      const { type } = status;
      if (type === 'disconnect') this.#away = true;
      else if (type === 'reconnect') this.#reconnected();
      else if (type === 'error') this.#violated(status);
    }
  }

  #reconnected(): void {
    this.#away = false;
    const now = this.now();
    for (const end of this.#ends.all) {
      guard(end, () => {
        end.reconnected(now);
      });
    }
    this.onReconnect.emit();
  }

  #violated(status: object): void {
    const violation = violationIn(status);
    if (violation?.operation !== 'publish') return;
    const { subject } = violation;
    const why = `NATS does not permit to publish to ${subject}`;
    for (const end of this.#ends.all) if (end.target === subject) end.fail(why, status);
    this.onViolation.emit(subject, connectError(subject, why, status));
  }

  readonly #closed = (): void => {
    this.#away = true;
    this.#failAll('the connection to NATS has closed');
    this.onClosed.emit();
  };

  #failAll(why: string, cause?: unknown): void {
    for (const end of this.#ends.all) end.fail(why, cause);
  }
}

function connectError(target: string, why: string, cause?: unknown): K4netError {
  return new K4netError('K4NET_CONNECT', `no connection to ${target}: ${why}`, { cause });
}
