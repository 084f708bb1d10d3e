import type { Bytes } from '../util/bytes.js';
import { Fifo } from '../util/fifo.js';
import {
  bareFrame,
  brokenRule,
  costOf,
  flags,
  frameCost,
  headerLength,
  kinds,
  writeHeader,
  type Frame,
  type Positions,
} from './frame.js';

// No I/O and no clock here: `nats-transport.ts` publishes and delivers, and passes the time.

/** Milliseconds in which the peer gets to know what has come, if no other frame says it. */
const haveDelay = 100;
/** Milliseconds between two requests to repeat from the same place. */
const againDelay = 300;
/** Milliseconds after which this side asks for what it has sent; doubled each time. */
const firstRetry = 400;
const longestRetry = 5_000;
/** Windows that are repeated without a pause: a peer could ask for the same bytes all the time. */
const freeRepeats = 4;
/** Credit for fewer bytes waits for more, so that small grants cost no small frames. */
const usefulCredit = 2048;

/** A frame that the peer may not have. */
interface Sent {
  readonly at: number;
  /** The position behind it. */
  readonly next: number;
  readonly frame: Bytes;
}

/** The duties of this side after a received frame. */
export interface Received {
  /** Its data and its end are the next ones. */
  readonly isNext: boolean;
  /** The peer's end is in it. */
  readonly end: boolean;
  /** This side has to answer at once. */
  readonly answer: boolean;
  /** Frames were lost before it: this side has to ask for them. */
  readonly again: boolean;
  /** The peer asks for frames again. */
  readonly repeat: boolean;
}

/**
 * Both directions of a session: order, loss, credit and ends. Positions count the cost of all
 * frames from the start; on the wire they are modulo 2^32.
 */
export class SessionState {
  /** `ended`: the end is sent. */
  sending: 'open' | 'ending' | 'ended' = 'open';
  /** `heard`: the peer's end has come. `told`: the sink has it. */
  receiving: 'open' | 'heard' | 'told' = 'open';
  /** The cost of all that this side has sent. */
  #sent = 0;
  /** The part of it that the peer has. */
  #acked = 0;
  /** How far this side may send. */
  #limit: number;
  readonly #unacked = new Fifo<Sent>();
  /** The peer's end had come when this side sent its own. */
  #endTells = false;
  /** The last position that went with the bit `ask`, so that half a window is asked for once. */
  #askedAt = 0;
  #retryDue = Infinity;
  #retryDelay = firstRetry;
  /** Bytes repeated since `#repeatsSince`. */
  #repeated = 0;
  #repeatsSince = -Infinity;
  /** How far everything has come. */
  #got = 0;
  /** How far the peer may send: the largest limit that was announced. */
  #granted: number;
  /** The limit that the next frame announces. */
  #nextLimit: number;
  /** When a frame has to say what has come, if no other one does. */
  #haveDue = Infinity;
  /** How far the peer has sent, as far as is known. */
  #seen = 0;
  #againAt = -1;
  #againDue = Infinity;

  /**
   * @param granted - the limit that this side has announced.
   * @param limit - the limit that the peer has announced.
   */
  constructor(granted: number, limit: number) {
    this.#granted = granted;
    this.#nextLimit = granted;
    this.#limit = limit;
  }

  /** Whether both directions have ended. */
  get over(): boolean {
    return this.sending === 'ended' && this.receiving === 'told';
  }

  /** Whether neither side needs the other one any more, although the sink may not have the end. */
  get exchanged(): boolean {
    return this.sending === 'ended' && this.receiving !== 'open' && this.allAcked;
  }

  /** Whether the peer knows that this side has its end: the end of this side has told it. */
  get isKnown(): boolean {
    return this.#endTells && this.allAcked;
  }

  /** Whether the peer has everything that was sent. */
  get allAcked(): boolean {
    return this.#acked === this.#sent;
  }

  /** When `tick` has something to do. */
  get due(): number {
    return Math.min(this.#haveDue, this.#againDue, this.#retryDue);
  }

  /**
   * Checks a frame of the peer and applies it.
   *
   * @param frame - of the kind `frame` or `again`.
   * @throws K4netError `K4NET_MALFORMED` if it breaks a rule.
   */
  receive(frame: Frame, now: number): Received {
    this.#receiveHave(frame.have, now);
    this.#receiveLimit(frame.limit);
    // A side that still waits for credit starts to ask again.
    if (this.allAcked) this.#retryDue = Infinity;
    const end = (frame.code & flags.end) !== 0 && frame.kind === kinds.frame;
    const cost = costOf(frame.data.length, end);
    const ahead = (frame.at - this.#got) | 0;
    if (ahead + cost > this.#granted - this.#got) {
      throw brokenRule(`${ahead + cost} bytes where it had credit for ${this.#granted - this.#got}`);
    }
    this.#seen = Math.max(this.#seen, this.#got + ahead + cost);
    const isNext = ahead === 0 && cost > 0;
    if (isNext) {
      if (this.receiving !== 'open') throw brokenRule('data after the end');
      this.#got += cost;
      if (end) this.receiving = 'heard';
    }
    if (cost > 0) this.#haveDue = Math.min(this.#haveDue, now + haveDelay);
    if (this.#seen === this.#got) this.#againDue = Infinity;
    const again = ahead > 0 && (this.#againAt !== this.#got || now >= this.#againDue);
    const answer = (frame.code & flags.ask) !== 0 && frame.kind === kinds.frame;
    return { isNext, end, answer, again, repeat: frame.kind === kinds.again };
  }

  /**
   * Bytes of data that may be sent now.
   *
   * @param wanted - bytes that wait.
   * @param window - the bytes that this side sends before the peer says that it has them.
   */
  room(wanted: number, window: number, now: number): number {
    const room = this.#credit(window) - frameCost;
    if (room >= Math.min(wanted, usefulCredit)) return room;
    this.#startRetry(now);
    return 0;
  }

  /** Whether the end may be sent now. */
  mayEnd(window: number, now: number): boolean {
    if (this.#credit(window) >= frameCost) return true;
    this.#startRetry(now);
    return false;
  }

  /**
   * Raises the limit that the next frame announces. Returns whether a frame for it alone is due.
   *
   * @param waiting - bytes that the sink has not taken.
   */
  grant(waiting: number, window: number): boolean {
    if (this.receiving !== 'open') return false;
    this.#nextLimit = Math.max(this.#nextLimit, this.#got + window - waiting);
    return (this.#nextLimit - this.#granted) * 2 >= window;
  }

  /**
   * Completes a frame with data or an end: writes its header, and keeps it for a repetition.
   * Returns whether the frame asks for an answer.
   *
   * @param frame - with room for the header.
   */
  send(frame: Bytes, end: boolean, now: number, window: number): boolean {
    const at = this.#sent;
    const next = at + costOf(frame.length - headerLength, end);
    const unacked = next - this.#acked;
    // A peer with a larger window would not say in time that it has everything.
    const ask = unacked * 2 > window && this.#limit > this.#acked + window && this.#askedAt <= this.#acked;
    if (ask) this.#askedAt = next;
    writeHeader(frame, kinds.frame, (end ? flags.end : 0) | (ask ? flags.ask : 0), this.#positions());
    this.#said();
    this.#sent = next;
    this.#unacked.push({ at, next, frame });
    if (end) {
      this.sending = 'ended';
      this.#endTells = this.receiving !== 'open';
    }
    this.#startRetry(now);
    return ask;
  }

  /** A frame without data. */
  bare(code: number): Bytes {
    const frame = bareFrame(kinds.frame, code, this.#positions());
    this.#said();
    return frame;
  }

  /** A request to repeat what was lost. */
  again(now: number): Bytes {
    this.#againAt = this.#got;
    this.#againDue = now + againDelay;
    const frame = bareFrame(kinds.again, 0, this.#positions());
    this.#said();
    return frame;
  }

  /** Copies of all frames that the peer does not have, unless they were repeated too often. */
  repeat(now: number, window: number): Bytes[] {
    if (now - this.#repeatsSince >= againDelay) {
      this.#repeatsSince = now;
      this.#repeated = 0;
    }
    if (this.#repeated >= freeRepeats * window) return [];
    this.#repeated += this.#sent - this.#acked;
    const frames: Bytes[] = [];
    for (let left = this.#unacked.length; left > 0; left -= 1) {
      const sent = this.#unacked.shift();
      if (!sent) break;
      this.#unacked.push(sent);
      // The client of NATS may still have the frame itself.
      const copy = sent.frame.slice();
      writeHeader(copy, kinds.frame, (copy[1] ?? 0) & flags.end, { ...this.#positions(), at: sent.at });
      frames.push(copy);
    }
    this.#said();
    return frames;
  }

  /** Returns the frame that is due: a `have`, an `again`, or a question after sent frames. */
  tick(now: number): 'have' | 'again' | 'ask' | undefined {
    if (now >= this.#againDue) return 'again';
    if (now >= this.#retryDue) {
      this.#retryDelay = Math.min(2 * this.#retryDelay, longestRetry);
      this.#retryDue = now + this.#retryDelay;
      return 'ask';
    }
    return now >= this.#haveDue ? 'have' : undefined;
  }

  /** Frees the frames that are kept. */
  clear(): void {
    this.#unacked.clear();
  }

  #credit(window: number): number {
    return Math.min(this.#limit, this.#acked + window) - this.#sent;
  }

  /** Frames of this side, or a grant of the peer, can be lost: it asks until something comes. */
  #startRetry(now: number): void {
    if (this.#retryDue === Infinity) this.#retryDue = now + this.#retryDelay;
  }

  #positions(): Positions {
    return { at: this.#sent, have: this.#got, limit: this.#nextLimit };
  }

  /** A frame that says `have` and `limit` is sent. */
  #said(): void {
    this.#granted = this.#nextLimit;
    this.#haveDue = Infinity;
  }

  #receiveHave(have: number, now: number): void {
    const behind = (this.#sent - have) | 0;
    if (behind < 0) throw brokenRule(`that it has ${-behind} bytes more than were sent`);
    if (this.#sent - behind <= this.#acked) return;
    this.#acked = this.#sent - behind;
    for (let first = this.#unacked.peek(); first; first = this.#unacked.peek()) {
      if (first.next > this.#acked) break;
      this.#unacked.shift();
    }
    this.#retryDelay = firstRetry;
    this.#retryDue = now + firstRetry;
  }

  /** An older frame can come late, with a smaller limit. */
  #receiveLimit(limit: number): void {
    this.#limit = Math.max(this.#limit, this.#sent + ((limit - this.#sent) | 0));
  }
}
