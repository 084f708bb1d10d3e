import { K4netError } from '../../../lib/errors.js';
import type { LockedSocket } from '../../../lib/sockets/locked-socket.js';
import { pattern, same } from '../../support/random.js';
import { turns } from '../../support/recorder.js';
import { Abort, describe, PendingOperations, settledWithin, type Signals, type Violations } from './cases.js';
import type { SidePlan, Step } from './socket-plan.js';

/** One message at its sender. */
export interface Sent {
  readonly size: number;
  /**
   * `lost`: the socket failed before it could say; `withdrawn`: its signal aborted, so it may have
   * gone or not.
   */
  state: 'pending' | 'accepted' | 'refused' | 'lost' | 'withdrawn';
}

/** One side of a case: its socket, its sent and received messages, and how receiving ended. */
export class SocketSide {
  readonly name: string;
  readonly socket: LockedSocket;
  readonly plan: SidePlan;
  readonly sent: Sent[] = [];
  /**
   * The error that ended receiving. The inner value is undefined for a loop that ended cleanly.
   */
  ended: { readonly error: K4netError | undefined } | undefined;
  /**
   * Whether this side has closed: it then receives no more, and how the peer ends is nothing to
   * it.
   */
  closed = false;
  /** How this side cut the connection. */
  cut: 'close' | 'reset' | 'destroy' | undefined;
  /** Whether this side has ended its direction. */
  hasEnded = false;
  /** Whether this side closed before its handshake had started: then there is no handshake. */
  closedUnused = false;
  /** Whether its handshake started before the first step. */
  shaken = false;
  readonly pending = new PendingOperations();
  readonly #signals: Signals;
  readonly #violations: Violations;
  readonly #destroy: (how: 'reset' | 'destroy') => 'reset' | 'destroy';
  /** One list for each call that can return messages, in the order of the calls. */
  readonly #received: Uint8Array[][] = [];
  #batching = false;
  #receiving = 0;
  #stepsDone = 0;

  constructor(
    name: string,
    socket: LockedSocket,
    plan: SidePlan,
    signals: Signals,
    violations: Violations,
    destroy: (how: 'reset' | 'destroy') => 'reset' | 'destroy',
  ) {
    this.name = name;
    this.socket = socket;
    this.plan = plan;
    this.#signals = signals;
    this.#violations = violations;
    this.#destroy = destroy;
  }

  /** Received messages, in the order of the calls. */
  get received(): readonly Uint8Array[] {
    return this.#received.flat();
  }

  /** Runs all steps, ends, receives the remaining messages, and closes. */
  async run(): Promise<void> {
    for (const step of this.plan.steps) {
      await settledWithin(step.pause, this.#do(step));
      this.#stepsDone += 1;
    }
    this.hasEnded = true;
    void this.#watch('end', this.socket.end()).catch(() => undefined);
    // Pending sends may need both sides to receive.
    while (this.#batching) await turns();
    await this.#loop('loop', Infinity);
    this.closed = true;
    await this.#watch('last close', this.socket.close(undefined, { timeout: Infinity }));
    await this.#watch('closed', this.socket.closed);
    await this.pending.settled();
  }

  toString(): string {
    const { socket } = this;
    const count = (state: Sent['state']): string =>
      `${this.sent.filter((each) => each.state === state).length} ${state}`;
    const sent = ['accepted', 'pending', 'lost', 'withdrawn', 'refused'] as const;
    return [
      `${this.name}: ${socket.readyState}, step ${this.#stepsDone} of ${this.plan.steps.length}`,
      `sent ${sent.map(count).join(', ')}; received ${this.received.length}`,
      this.ended ? `ended: ${this.ended.error ? describe(this.ended.error) : 'cleanly'}` : 'not ended',
      `closed by itself: ${this.closed}, cut by itself: ${this.cut ?? 'no'}`,
      `pending: ${this.pending.toString()}; ${JSON.stringify(socket.stats())}`,
    ].join('\n  ');
  }

  #watch<T>(label: string, promise: Promise<T>): Promise<T> {
    return this.pending.watch(label, promise);
  }

  #do(step: Step): Promise<unknown> {
    const { socket } = this;
    switch (step.kind) {
      case 'send':
        return this.#send(step.size, step.abort);
      case 'trySend':
        return this.#trySend(step.size);
      case 'flush': {
        const { timeout } = step;
        const signal = this.#signals.make(step.abort);
        return this.#watch('flush', socket.flush({ timeout, signal })).catch(this.#checkReason);
      }
      case 'recv':
        return this.#recv(step.maxSize, step.timeout, step.abort);
      case 'tryRecv':
        return this.#tryRecv();
      case 'loop':
      case 'batches':
        return this.#loop(step.kind, step.count);
      case 'end':
        this.hasEnded = true;
        return this.#watch('end', socket.end()).catch(this.#checkReason);
      case 'close':
        return this.#close(step.last, step.timeout);
      case 'reset':
      case 'destroy':
        this.cut ??= this.#destroy(step.kind);
        return Promise.resolve();
    }
  }

  /** The bytes of a message and its record. */
  #next(size: number): { bytes: Uint8Array; sent: Sent } {
    const bytes = contentOf(this.name, this.sent.length, size);
    const sent: Sent = { size, state: 'pending' };
    this.sent.push(sent);
    return { bytes, sent };
  }

  async #send(size: number, abort: number | undefined): Promise<void> {
    // A message that may or may not be sent needs a number, so that it is not confused with its
    // neighbor.
    const { bytes, sent } = this.#next(abort === undefined ? size : Math.max(size, headLength));
    const signal = this.#signals.make(abort);
    const refused = this.#refuses();
    await this.#settleSent(this.#watch('send', this.socket.send(bytes, signal && { signal })), sent, refused);
    // The buffer belongs to the caller again, whatever the result.
    if (sent.state === 'accepted') bytes.fill(0xee);
  }

  async #settleSent(sending: Promise<void>, sent: Sent, refused: boolean): Promise<void> {
    try {
      await sending;
      sent.state = 'accepted';
    } catch (error) {
      this.#checkReason(error);
      sent.state = error instanceof Abort ? 'withdrawn' : refused ? 'refused' : 'lost';
    }
  }

  /** Whether the socket accepts no more messages. */
  #refuses(): boolean {
    return this.hasEnded || ['closing', 'closed'].includes(this.socket.readyState);
  }

  #trySend(size: number): Promise<void> {
    const { bytes, sent } = this.#next(size);
    try {
      sent.state = this.socket.trySend(bytes) ? 'accepted' : 'refused';
      bytes.fill(0xee);
    } catch (error) {
      this.#checkReason(error);
      sent.state = 'refused';
    }
    return Promise.resolve();
  }

  async #recv(maxSize?: number, timeout?: number, abort?: number): Promise<void> {
    if (this.#batching) return;
    const signal = this.#signals.make(abort);
    const ticket = this.#ticket();
    this.#receiving += 1;
    try {
      const message = await this.#watch('recv', this.socket.recv({ maxSize, timeout, signal }));
      if (message.length > (maxSize ?? Infinity)) this.#violations.add(`${this.name}: recv over its maxSize`);
      ticket.push(message);
    } catch (error) {
      const own = K4netError.is(error, 'K4NET_TIMEOUT') || K4netError.is(error, 'K4NET_TOO_LARGE');
      if (!own) this.#onEnd(error);
    } finally {
      this.#receiving -= 1;
    }
  }

  #tryRecv(): Promise<void> {
    if (this.#batching || this.#receiving > 0) return Promise.resolve();
    try {
      const message = this.socket.tryRecv();
      if (message) this.#ticket().push(message);
    } catch (error) {
      this.#onEnd(error);
    }
    return Promise.resolve();
  }

  /**
   * A batch receives messages after it has waited, so no other call may receive in the meantime.
   */
  async #loop(kind: 'loop' | 'batches', count: number): Promise<void> {
    if (this.#batching || (kind === 'batches' && this.#receiving > 0)) return;
    this.#batching = kind === 'batches';
    this.#receiving += 1;
    try {
      const loop = kind === 'loop' ? this.socket[Symbol.asyncIterator]() : this.socket.batches();
      for (let i = 0; i < count; i += 1) {
        const ticket = this.#ticket();
        const { done, value } = await this.#watch<IteratorResult<Uint8Array | Uint8Array[], void>>(
          kind,
          loop.next(),
        );
        if (done) {
          this.#onLoopEnd();
          break;
        }
        ticket.push(...(value instanceof Uint8Array ? [value] : value));
      }
    } catch (error) {
      this.#onEnd(error);
    } finally {
      this.#receiving -= 1;
      if (kind === 'batches') this.#batching = false;
    }
  }

  #onLoopEnd(): void {
    if (!this.closed) this.ended ??= { error: undefined };
    if (!this.plan.allowHalfOpen) this.closed = true;
  }

  #onEnd(error: unknown): void {
    this.#checkReason(error);
    if (this.closed || !K4netError.is(error)) return;
    this.ended ??= { error: error.code === 'K4NET_CLOSED' ? undefined : error };
  }

  async #close(last: number | undefined, timeout: number): Promise<void> {
    const begun = this.shaken || this.plan.steps.slice(0, this.#stepsDone).some(beginsHandshake);
    const message = last === undefined || this.#refuses() ? undefined : this.#next(last);
    if (timeout === 0) this.cut ??= 'close';
    this.closed = true;
    const unused = message === undefined && !begun;
    this.closedUnused ||= unused && this.socket.readyState === 'connecting';
    const closing = this.#watch('close', this.socket.close(message?.bytes, { timeout }));
    await closing;
    if (message) message.sent.state = this.cut ? 'lost' : 'accepted';
  }

  #ticket(): Uint8Array[] {
    const ticket: Uint8Array[] = [];
    this.#received.push(ticket);
    return ticket;
  }

  readonly #checkReason = (reason: unknown): void => {
    if (reason instanceof Abort || K4netError.is(reason)) return;
    this.#violations.add(`${this.name}: an error that is not the library's: ${describe(reason)}`);
  };
}

const headLength = 8;

/** A call whose signal has already aborted has no effect. */
function beginsHandshake(step: Step): boolean {
  const aborted = 'abort' in step && step.abort === 0;
  return step.kind !== 'flush' && step.kind !== 'close' && !aborted;
}

/** The bytes of one message; those long enough begin with its number. */
function contentOf(name: string, index: number, size: number): Uint8Array {
  const bytes = pattern(size, index + name.length * 7);
  if (size >= headLength) new DataView(bytes.buffer).setUint32(0, index);
  return bytes;
}

/**
 * Finds what is wrong with the messages of one direction. Gives the number of the first message
 * that was sent after the last one that was received.
 */
export function compareMessages(from: SocketSide, to: SocketSide, violations: Violations): number {
  let next = 0;
  for (const [place, message] of to.received.entries()) {
    const before = next;
    while (next < from.sent.length && !isSame(from, next, message)) {
      const { state } = from.sent[next] as Sent;
      if (state !== 'refused' && state !== 'withdrawn') break;
      next += 1;
    }
    if (next === from.sent.length || !isSame(from, next, message)) {
      violations.add(
        `${to.name}: message ${place} (${message.length} bytes) came in place of number ${before}`,
      );
      return before;
    }
    next += 1;
  }
  return next;
}

/** Whether this is the message with that number, and its send was not rejected. */
function isSame(from: SocketSide, index: number, message: Uint8Array): boolean {
  const { size, state } = from.sent[index] as Sent;
  return state !== 'refused' && size === message.length && same(message, contentOf(from.name, index, size));
}
