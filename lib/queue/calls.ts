import { BinaryReader } from '../binary/reader.js';
import { TimeoutError, type K4netError } from '../errors.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import { noHead } from '../transport/framing/encoder.js';
import { noBytes, type Bytes } from '../util/bytes.js';
import { Fifo } from '../util/fifo.js';
import {
  Deferred,
  markHandled,
  rejectHandled,
  rejected,
  type AbortHub,
  type AbortSignalLike,
} from '../util/wait.js';
import {
  Call,
  rejectCall,
  rejectCallLater,
  type AnswerDecoder,
  type NamedCalls,
  type Opening,
} from './call.js';
import { CallDeadlines } from './call-deadlines.js';
import { remoteError } from './call-failures.js';
import { encodeCancel, requestHead } from './envelope.js';
import { describeError } from './error-hooks.js';
import { requestSize, type FlowWindow } from './flow-window.js';

/** The weight of the newest round trip in the mean. */
const newestWeight = 1 / 8;

/** The part of a socket that sends requests. */
export type CallOutlet = Pick<OwnedSocket, 'sendCopy'>;

/**
 * The calls of this side.
 *
 * Flow control: the calls in flight stay within the limits that the peer has for requests, so the
 * peer can always continue to read, and two sides that call each other cannot deadlock. Each name
 * has a window of its own: a call that a callback makes before it answers does not wait for the
 * calls that wait for that callback.
 *
 * At-most-once: a request is sent once, so its callback runs once or never. The callback of a
 * rejected call may have run.
 */
export class Calls {
  readonly #outlet: CallOutlet;
  readonly #newWindow: () => FlowWindow;
  readonly #hub: AbortHub;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #maxId: number;
  readonly #calls = new Map<number, Call>();
  readonly #byName = new Map<string, NamedCalls>();
  readonly #deadlines: CallDeadlines<Call>;
  /** The name of the last call. It stays in the map while it is idle. Other idle names do not. */
  #last: NamedCalls | undefined;
  #idle: Deferred<void> | undefined;
  #pending = 0;
  #nextId = 0;
  #roundTrip: number | undefined;
  #over: K4netError | undefined;

  /**
   * @param trace - called with a line for each call that fails.
   * @param maxId - the highest id. The id after it is 1.
   */
  constructor(
    outlet: CallOutlet,
    newWindow: () => FlowWindow,
    hub: AbortHub,
    trace?: (line: string) => void,
    maxId: number = 2 ** 32 - 1,
  ) {
    this.#outlet = outlet;
    this.#newWindow = newWindow;
    this.#hub = hub;
    this.#trace = trace;
    this.#maxId = maxId;
    this.#deadlines = new CallDeadlines((call) => {
      this.#cancel(call, new TimeoutError(`'${call.calls.name}' was not answered`, call.timeout));
    });
  }

  /** Calls without an answer, including those that wait to be sent. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Milliseconds from a request to its answer: a moving mean, undefined before the first answer.
   */
  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }

  /**
   * Sends a request, or queues it while the flow window of its name is full.
   *
   * @param payload - the caller may reuse it when this returns.
   * @param decoder - decodes the value that the promise resolves with. Default: the promise
   * resolves with the reader.
   * @param opening - the streams of a streaming call.
   */
  call(name: string, payload: Bytes, timeout: number, signal?: AbortSignalLike): Promise<BinaryReader>;
  call(
    name: string,
    payload: Bytes,
    timeout: number,
    signal: AbortSignalLike | undefined,
    decoder: AnswerDecoder | undefined,
    opening?: Opening,
  ): Promise<unknown>;
  call(
    name: string,
    payload: Bytes,
    timeout: number,
    signal?: AbortSignalLike,
    decoder?: AnswerDecoder,
    opening?: Opening,
  ): Promise<unknown> {
    if (this.#over) return rejected(this.#over);
    if (signal?.aborted) return rejectHandled(signal.reason);
    if (timeout === 0) return rejected(new TimeoutError(`'${name}' was not answered`, 0));
    const now = performance.now();
    const calls = this.#last?.name === name ? this.#last : this.#callsOf(name);
    do this.#nextId = this.#nextId === this.#maxId ? 1 : this.#nextId + 1;
    while (this.#calls.has(this.#nextId));
    const call = new Call(this.#nextId, calls, requestSize(name, payload), timeout, now, decoder, opening);
    this.#calls.set(call.id, call);
    if (opening) opening.id = call.id;
    this.#pending += 1;
    if (timeout !== Infinity) this.#deadlines.add(call, now);
    if (signal) {
      call.unwatch = this.#hub.watch(signal, (reason) => {
        this.#cancel(call, reason);
      });
    }
    if (calls.waiting.length === 0 && calls.window.fits(call.size)) {
      calls.window.reserve(call.size);
      void this.#outlet.sendCopy(opening ? opening.head() : requestHead(call.id, name), payload);
    } else {
      call.payload = new Uint8Array(payload);
      calls.waiting.push(call);
    }
    return call.promise;
  }

  /** An answer has arrived. It has no effect if no call waits for it. */
  answer(id: number, payload: Bytes): void {
    const call = this.#replied(id);
    if (!call) return;
    const reader = new BinaryReader(payload);
    if (!call.decoder) {
      call.resolve(reader);
      return;
    }
    try {
      const value = call.decoder.read(reader);
      // A decode error is an error of the connection: it must not be an unhandled rejection.
      if (value instanceof Promise) void markHandled(call.promise);
      call.resolve(value);
    } catch (error) {
      rejectCall(call, error);
    }
  }

  /** A failure has arrived. */
  fail(id: number, code: string, text: string, data: Bytes = noBytes): void {
    const call = this.#replied(id);
    if (!call) return;
    const { name } = call.calls;
    const suffix = code === '' ? '' : ` ${code}`;
    this.#trace?.(`Call ${id} of ${name} failed at the peer: "${text}"${suffix}`);
    rejectCallLater(call, () => remoteError(name, code, text, data, call.decoder));
  }

  /** A malformed reply has arrived. */
  failMalformed(id: number, error: () => K4netError): void {
    const call = this.#replied(id);
    if (call) this.#reject(call, error());
  }

  /** Cancels a call. It has no effect if the call has ended. */
  cancel(id: number, reason: unknown): void {
    const call = this.#calls.get(id);
    if (call && !call.abandoned) this.#cancel(call, reason);
  }

  /** Resolves when no call is pending. */
  idle(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    this.#idle ??= new Deferred();
    return this.#idle.promise;
  }

  /** Rejects all calls: no answer can arrive any more. */
  end(error: K4netError): void {
    this.#over ??= error;
    for (const { waiting } of this.#byName.values()) waiting.clear();
    this.#byName.clear();
    this.#last = undefined;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) {
      if (call.abandoned) continue;
      this.#settle(call);
      this.#reject(call, error);
    }
    this.#deadlines.stop();
  }

  #callsOf(name: string): NamedCalls {
    let calls = this.#byName.get(name);
    if (!calls) {
      calls = { name, window: this.#newWindow(), waiting: new Fifo() };
      this.#byName.set(name, calls);
    }
    const last = this.#last;
    this.#last = calls;
    if (last) this.#forgetIdle(last);
    return calls;
  }

  /** Removes a name without calls: a program can use any number of names. */
  #forgetIdle(calls: NamedCalls): void {
    if (calls !== this.#last && calls.window.messages === 0 && calls.waiting.length === 0)
      this.#byName.delete(calls.name);
  }

  /** Sends waiting calls within the flow window. */
  #sendWaiting(calls: NamedCalls): void {
    const { name, window, waiting } = calls;
    for (let call = waiting.peek(); call; call = waiting.peek()) {
      const { payload, opening, id } = call;
      if (payload && !window.fits(call.size)) return;
      waiting.shift();
      // A call without a payload was cancelled while it waited.
      if (!payload) continue;
      call.payload = undefined;
      call.sentAt = performance.now();
      window.reserve(call.size);
      void this.#outlet.sendCopy(opening ? opening.head() : requestHead(id, name), payload);
    }
    this.#forgetIdle(calls);
  }

  #replied(id: number): Call | undefined {
    const call = this.#calls.get(id);
    // A peer cannot reply to a request that was not sent yet.
    if (!call || call.payload) return undefined;
    this.#calls.delete(id);
    const { calls, abandoned } = call;
    calls.window.release(call.size);
    call.opening?.replied();
    if (!abandoned) {
      const trip = performance.now() - call.sentAt;
      this.#roundTrip ??= trip;
      this.#roundTrip += newestWeight * (trip - this.#roundTrip);
      this.#settle(call);
    }
    if (calls.waiting.length > 0) this.#sendWaiting(calls);
    else if (calls !== this.#last) this.#forgetIdle(calls);
    return abandoned ? undefined : call;
  }

  #reject(call: Call, reason: unknown): void {
    this.#trace?.(`Call ${call.id} of ${call.calls.name} failed: ${describeError(reason).text}`);
    rejectCall(call, reason);
  }

  /** Ends a call because of its timeout or its signal. */
  #cancel(call: Call, reason: unknown): void {
    this.#settle(call);
    this.#reject(call, reason);
    call.opening?.cancelled(reason);
    if (call.payload) {
      call.payload = undefined;
      this.#calls.delete(call.id);
      call.calls.waiting.obsolete(({ payload }) => payload === undefined);
      call.opening?.replied();
    } else {
      call.abandoned = true;
      void this.#outlet.sendCopy(noHead, encodeCancel(call.id));
    }
  }

  /** Releases the deadline and the signal of a call that has ended. */
  #settle(call: Call): void {
    if (call.place !== -1) this.#deadlines.remove(call);
    call.unwatch?.();
    this.#pending -= 1;
    if (this.#pending > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}
