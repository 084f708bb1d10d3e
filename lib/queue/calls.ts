import { BinaryReader } from '../binary/reader.js';
import type { Bytes } from '../util/bytes.js';
import { RemoteError, TimeoutError, type K4netError } from '../errors.js';
import { Fifo } from '../util/fifo.js';
import { noHead } from '../transport/framing/encoder.js';
import {
  Deferred,
  markHandled,
  rejectHandled,
  rejected,
  type AbortHub,
  type AbortSignalLike,
} from '../util/wait.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import { requestSize, type FlowWindow } from './flow-window.js';
import { CallDeadlines, type Timed } from './call-deadlines.js';
import { encodeCancel, requestHead } from './envelope.js';
import { describeError } from './error-hooks.js';

/** Weight of the newest round trip in the mean. */
const newest = 1 / 8;

/** Calls of one name: what was sent, and those that wait until there is room. */
interface PendingCalls {
  readonly name: string;
  readonly window: FlowWindow;
  readonly waiting: Fifo<Call>;
  /** How many of those were given up meanwhile. */
  dead: number;
}

interface Call extends Timed {
  readonly id: number;
  readonly pendingCalls: PendingCalls;
  readonly timeout: number;
  readonly deferred: Deferred<BinaryReader>;
  /** What it counts in the window. */
  readonly size: number;
  /** The payload, until it was sent. */
  payload: Bytes | undefined;
  sentAt: number;
  /** Whether nobody waits any more: it keeps its number and its room until the other end is done with it. */
  abandoned: boolean;
  unwatch: (() => void) | undefined;
}

/** Where requests go. */
export type CallOutlet = Pick<OwnedSocket, 'sendCopy'>;

/**
 * Calls of the other end's callbacks, from here. What was sent and has no answer yet stays within the limits that the
 * other end has for its requests: it can always go on reading, and so can we. Each name has its own: a call that a
 * callback makes before it answers does not wait behind those that wait for that callback.
 */
export class Calls {
  readonly #outlet: CallOutlet;
  readonly #newWindow: () => FlowWindow;
  readonly #hub: AbortHub;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #highestId: number;
  readonly #calls = new Map<number, Call>();
  readonly #pendingByName = new Map<string, PendingCalls>();
  readonly #deadlines: CallDeadlines<Call>;
  #idle: Deferred<void> | undefined;
  #pending = 0;
  #nextId = 0;
  #roundTrip: number | undefined;
  #over: K4netError | undefined;

  /**
   * @param trace - called with a line for each call that fails.
   * @param highestId - the number after which they come round again.
   */
  constructor(
    outlet: CallOutlet,
    newWindow: () => FlowWindow,
    hub: AbortHub,
    trace?: (line: string) => void,
    highestId: number = 2 ** 32 - 1,
  ) {
    this.#outlet = outlet;
    this.#newWindow = newWindow;
    this.#hub = hub;
    this.#trace = trace;
    this.#highestId = highestId;
    this.#deadlines = new CallDeadlines((call) => {
      this.#giveUp(call, new TimeoutError(`'${call.pendingCalls.name}' was not answered`, call.timeout));
    });
  }

  /** Calls without an answer, those in line included. */
  get pending(): number {
    return this.#pending;
  }

  /** Milliseconds from a request to its answer: a moving mean, undefined before the first. */
  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }

  /** @param payload - the caller's again when this returns. */
  call(name: string, payload: Bytes, timeout: number, signal?: AbortSignalLike): Promise<BinaryReader> {
    if (this.#over) return rejected(this.#over);
    if (signal?.aborted) return rejectHandled(signal.reason);
    if (timeout === 0) return rejected(new TimeoutError(`'${name}' was not answered`, 0));
    const id = this.#freeId();
    const call: Call = {
      id,
      pendingCalls: this.#pendingCallsOf(name),
      timeout,
      payload,
      deferred: new Deferred(),
      size: requestSize(name, payload),
      deadline: timeout === Infinity ? Infinity : performance.now() + timeout,
      place: -1,
      sentAt: 0,
      abandoned: false,
      unwatch: undefined,
    };
    this.#calls.set(id, call);
    this.#pending += 1;
    if (timeout !== Infinity) this.#deadlines.add(call);
    if (signal) {
      call.unwatch = this.#hub.watch(signal, (reason) => {
        this.#giveUp(call, reason);
      });
    }
    call.pendingCalls.waiting.push(call);
    this.#sendQueued(call.pendingCalls);
    if (call.payload) call.payload = new Uint8Array(payload);
    return call.deferred.promise;
  }

  /** An answer has come. One that nobody waits for any more is nothing. */
  answer(id: number, payload: Bytes): void {
    const call = this.#answered(id);
    call?.deferred.resolve(new BinaryReader(payload));
  }

  /** A failure has come. */
  fail(id: number, code: string, text: string): void {
    const call = this.#answered(id);
    if (!call) return;
    const suffix = code === '' ? '' : ` ${code}`;
    this.#trace?.(`Call ${id} of ${call.pendingCalls.name} failed at the other end: "${text}"${suffix}`);
    failLater(call, () => new RemoteError(call.pendingCalls.name, code, text));
  }

  /** What has come is no answer. */
  spoil(id: number, error: () => K4netError): void {
    const call = this.#answered(id);
    if (call) this.#fail(call, error());
  }

  /** Resolves when no call waits. */
  idle(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    this.#idle ??= new Deferred();
    return this.#idle.promise;
  }

  /** No answer will come any more. */
  end(error: K4netError): void {
    this.#over ??= error;
    for (const { waiting } of this.#pendingByName.values()) waiting.clear();
    this.#pendingByName.clear();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) {
      if (call.abandoned) continue;
      this.#settle(call);
      this.#fail(call, error);
    }
  }

  /** A number that no call has. */
  #freeId(): number {
    do this.#nextId = this.#nextId === this.#highestId ? 1 : this.#nextId + 1;
    while (this.#calls.has(this.#nextId));
    return this.#nextId;
  }

  #pendingCallsOf(name: string): PendingCalls {
    let line = this.#pendingByName.get(name);
    if (!line) {
      line = { name, window: this.#newWindow(), waiting: new Fifo(), dead: 0 };
      this.#pendingByName.set(name, line);
    }
    return line;
  }

  /** Sends what there is room for. */
  #sendQueued(line: PendingCalls): void {
    const { name, window, waiting } = line;
    for (let call = waiting.peek(); call; call = waiting.peek()) {
      const { payload } = call;
      if (payload && !window.fits(call.size)) return;
      waiting.shift();
      // One that was given up while it stood in line has nothing to send.
      if (!payload) {
        line.dead -= 1;
        continue;
      }
      window.reserve(call.size);
      call.payload = undefined;
      call.sentAt = performance.now();
      void this.#outlet.sendCopy(requestHead(call.id, name), payload);
    }
    // Names may be made up as they are needed: what is not in use is not kept.
    if (window.messages === 0) this.#pendingByName.delete(name);
  }

  /** Forgets those in a line that were given up, once they are the most. */
  #removeAbandoned(line: PendingCalls): void {
    line.dead += 1;
    if (line.dead < 64 || line.dead * 2 < line.waiting.length) return;
    for (let left = line.waiting.length; left > 0; left -= 1) {
      const call = line.waiting.shift();
      if (call?.payload) line.waiting.push(call);
    }
    line.dead = 0;
  }

  #answered(id: number): Call | undefined {
    const call = this.#calls.get(id);
    // An answer to what was not sent yet answers nothing.
    if (!call || call.payload) return undefined;
    this.#calls.delete(id);
    call.pendingCalls.window.release(call.size);
    if (!call.abandoned) {
      const trip = performance.now() - call.sentAt;
      this.#roundTrip ??= trip;
      this.#roundTrip += newest * (trip - this.#roundTrip);
      this.#settle(call);
    }
    this.#sendQueued(call.pendingCalls);
    return call.abandoned ? undefined : call;
  }

  #fail(call: Call, reason: unknown): void {
    this.#trace?.(`Call ${call.id} of ${call.pendingCalls.name} failed: ${describeError(reason).text}`);
    fail(call, reason);
  }

  #giveUp(call: Call, reason: unknown): void {
    this.#settle(call);
    this.#fail(call, reason);
    if (call.payload) {
      call.payload = undefined;
      this.#calls.delete(call.id);
      this.#removeAbandoned(call.pendingCalls);
    } else {
      call.abandoned = true;
      void this.#outlet.sendCopy(noHead, encodeCancel(call.id));
    }
  }

  /** Nothing is waited for any more. */
  #settle(call: Call): void {
    if (call.place >= 0) this.#deadlines.remove(call);
    call.unwatch?.();
    this.#pending -= 1;
    if (this.#pending > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

/** Marks the promise as quiet here and not in `call`: an asynchronous stack ends at a promise with two reactions. */
function fail(call: Call, reason: unknown): void {
  void markHandled(call.deferred.promise);
  call.deferred.reject(reason);
}

/**
 * Makes the error in a microtask on whose outcome the promise of the call depends: so its stack goes on, where the engine
 * has asynchronous stacks, with the line that awaits the call. A stack that every call keeps would cost far more.
 */
function failLater(call: Call, error: () => K4netError): void {
  const { promise, resolve } = call.deferred;
  const failed = Promise.resolve()
    .then(() => undefined)
    .then((): never => {
      const reason = error();
      void markHandled(promise);
      throw reason;
    });
  resolve(failed);
}
