import { BinaryReader } from '../binary/reader.js';
import { isCallError } from '../codec/call-error.js';
import { K4netError } from '../errors.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import { accepted } from '../sockets/outbox.js';
import { compact, noBytes, type Bytes } from '../util/bytes.js';
import { isPromiseLike } from '../util/wait.js';
import { failureData } from './call-failures.js';
import { CallGuard, forbidden, noCallback, Refusal } from './call-guard.js';
import type { CallbackRegistry } from './callback-registry.js';
import { answerHead, encodeFailure, payloadBytes } from './envelope.js';
import { describeError, describeFailure, type ErrorHooks } from './error-hooks.js';
import { FlowWindow } from './flow-window.js';
import type { IncomingCall } from './incoming-call.js';
import { isItems, rejectItems } from './items.js';
import type { Payload } from './call-types.js';
import type { CheckedQueueOptions } from './queue-socket-options.js';
import type { Callback, CallbackContext } from './types.js';

/** The part of a socket that sends answers. */
export type AnswerOutlet = Pick<OwnedSocket, 'congested' | 'sendCopy'>;

/** The payload of a request is copied up to this size: the copy of a larger one costs too much. */
const smallPayload = 64;

const cancelled = (): K4netError => new K4netError('K4NET_CLOSED', 'the caller cancelled the request');

/** Calls callbacks, sends their answers and failures, and tracks the requests in flight. */
export class CallbackRunner {
  /** Answers of ordered requests that wait in a full send queue. */
  readonly unsent: FlowWindow;
  readonly #onSent: () => void;
  readonly #guard: CallGuard | undefined;
  readonly #outlet: AnswerOutlet;
  readonly #registry: CallbackRegistry;
  readonly #hooks: ErrorHooks;
  readonly #requests = new Map<number, IncomingCall>();
  /** Set at the end of the connection. Requests that arrived before can still be routed later. */
  #over: { readonly reason: K4netError; readonly keepHeld: boolean } | undefined;
  #started = 0;
  #failed = 0;

  /** @param onSent - called when `unsent` may have room again. */
  constructor(
    outlet: AnswerOutlet,
    registry: CallbackRegistry,
    hooks: ErrorHooks,
    { maxQueuedBytes, maxQueuedMessages, authorizeCall }: CheckedQueueOptions,
    onSent: () => void,
  ) {
    this.unsent = new FlowWindow(maxQueuedBytes, maxQueuedMessages);
    this.#onSent = onSent;
    this.#guard = authorizeCall && new CallGuard(authorizeCall, hooks);
    this.#outlet = outlet;
    this.#registry = registry;
    this.#hooks = hooks;
  }

  /** Callbacks that have started. */
  get started(): number {
    return this.#started;
  }

  /** Callbacks that threw or rejected, without the `CallError` of a request. */
  get failed(): number {
    return this.#failed;
  }

  /** Requests without an answer. */
  get unanswered(): number {
    return this.#requests.size;
  }

  /** Adds a request. Returns false if another request with its id has no answer yet. */
  add(request: IncomingCall): boolean {
    if (this.#requests.has(request.id)) return false;
    const over = this.#over;
    if (over) request.abort(() => over.reason, over.keepHeld);
    else this.#requests.set(request.id, request);
    return true;
  }

  /**
   * Aborts the request with this id. It still gets a reply, which ends it at the peer.
   */
  cancel(id: number): IncomingCall | undefined {
    const request = this.#requests.get(id);
    request?.abort(cancelled, false);
    return request;
  }

  /**
   * Aborts the signals of requests that manual dispatch holds. Their callbacks are still called.
   */
  abortHeld(reason: K4netError): void {
    for (const request of this.#requests.values()) if (request.isHeld) request.abort(() => reason, true);
  }

  /**
   * Aborts the streaming calls: their streams have ended. Other requests still get their answers.
   */
  abortStreams(reason: K4netError): void {
    for (const request of this.#requests.values()) if (request.stream) request.abort(() => reason, false);
  }

  /**
   * Aborts all requests: no answer can be sent any more.
   *
   * @param keepHeld - whether the callbacks of held requests are still called, with aborted
   * signals.
   */
  abortAll(reason: K4netError, keepHeld: boolean): void {
    this.#over ??= { reason, keepHeld };
    for (const request of this.#requests.values()) request.abort(() => reason, keepHeld && request.isHeld);
    this.#requests.clear();
  }

  /** Calls the callback of a message. Never throws; its promise never rejects. */
  message(callback: Callback, context: CallbackContext, payload: Bytes): Promise<void> | undefined {
    try {
      const result = this.#run(callback, new BinaryReader(payload), context, undefined);
      // Most callbacks of messages return nothing.
      return result === undefined ? undefined : this.#settled(result, context.name);
    } catch (error) {
      this.#report(error, context.name, undefined);
      return undefined;
    }
  }

  #settled(result: unknown, name: string): Promise<void> | undefined {
    if (isPromiseLike(result)) return this.#settledLater(result, name);
    // A generator that nobody reads would not even start.
    if (isItems(result)) throw rejectItems(result, name);
    if (result instanceof Refusal) this.#hooks.refused(name, !result.reported);
    return undefined;
  }

  async #settledLater(result: PromiseLike<unknown>, name: string): Promise<void> {
    try {
      void this.#settled(await result, name);
    } catch (error) {
      this.#report(error, name, undefined);
    }
  }

  /** Calls a callback, after its authorization. There is no callback for an unknown name. */
  #run(
    callback: Callback | undefined,
    reader: BinaryReader,
    context: CallbackContext,
    request: IncomingCall | undefined,
  ): unknown {
    if (!this.#guard) return this.#start(callback, reader, context);
    return this.#guard.run(context, request, () => this.#start(callback, reader, context));
  }

  #start(callback: Callback | undefined, reader: BinaryReader, context: CallbackContext): unknown {
    if (!callback) return noCallback(context.name);
    this.#started += 1;
    this.#hooks.log?.(`Performing callback ${context.name}`);
    return callback(reader, context);
  }

  /**
   * Calls the callback of a request and sends its answer. Never throws; its promise never rejects.
   * The promise is pending while the callback runs, and while the send queue is full: answers must
   * not fill the memory. The promise of an ordered request is pending only while its callback runs.
   */
  request(request: IncomingCall, payload: Bytes): Promise<void> | undefined {
    if (request.dropped) return this.fail(request, undefined);
    const callback = request.registration?.callback ?? this.callbackOf(request);
    try {
      // A callback can take long: a small payload must not keep the whole buffer of received bytes
      // in memory. A copy of a large payload would slow callbacks that answer at once.
      const own = payload.length > smallPayload ? payload : compact(payload);
      const { stream } = request;
      const wrapped = callback && stream ? stream.wrap(callback) : callback;
      const result = this.#run(wrapped, new BinaryReader(own), request, request);
      return isPromiseLike(result)
        ? this.#answerLater(request, result, callback)
        : this.#answer(request, result);
    } catch (error) {
      return this.#onThrown(request, error, callback);
    }
  }

  async #answerLater(
    request: IncomingCall,
    result: PromiseLike<unknown>,
    callback: Callback | undefined,
  ): Promise<void> {
    let sent: Promise<void> | undefined;
    try {
      sent = this.#answer(request, await result);
    } catch (error) {
      sent = this.#onThrown(request, error, callback);
    }
    if (sent) await sent;
  }

  /** The callback of a queued call: its own, or the one that replaced it. */
  callbackOf({ registration, name }: IncomingCall): Callback | undefined {
    return registration?.callback ?? this.#registry.get(name)?.callback;
  }

  /** Sends the failure of a request: the error of its callback, or `K4NET_CANCELLED`. */
  fail(request: IncomingCall, error: unknown, data?: Bytes): Promise<void> | undefined {
    if (request.stream?.accepted === false)
      return this.#sendFailure(request, 'K4NET_BUSY', 'too many streaming calls are open (maxStreams)');
    if (request.dropped) return this.#sendFailure(request, 'K4NET_CANCELLED', '');
    const { code, message } = describeFailure(error);
    return this.#sendFailure(request, code, message, data);
  }

  /** Refuses a request of an unknown name for which there is no room. */
  refuse(request: IncomingCall): Promise<void> | undefined {
    return this.#refused(request, (this.#guard ? forbidden : noCallback)(request.name));
  }

  /** Drops the calls whose authorization is pending. */
  stop(): void {
    this.#guard?.stop();
  }

  #onThrown(
    request: IncomingCall,
    error: unknown,
    callback: Callback | undefined,
  ): Promise<void> | undefined {
    // A callback that throws after its caller has cancelled has not failed.
    if (request.dropped) return this.fail(request, undefined);
    if (!isCallError(error)) {
      this.#report(error, request.name, request);
      return this.fail(request, error);
    }
    this.#trace(error, request.name, request);
    try {
      return this.fail(request, error, failureData(error, callback));
    } catch (wrong) {
      this.#report(wrong, request.name, request);
      return this.fail(request, error);
    }
  }

  #refused(request: IncomingCall, { code, message }: Refusal): Promise<void> | undefined {
    if (request.dropped) return this.fail(request, undefined);
    this.#hooks.trace?.(`Refusing request ${request.id}: ${message}`);
    return this.#sendFailure(request, code, message);
  }

  #report(error: unknown, name: string, request: IncomingCall | undefined): void {
    this.#failed += 1;
    this.#trace(error, name, request);
    this.#hooks.report(error, name, request ? 'request' : 'message');
  }

  #trace(error: unknown, name: string, request: IncomingCall | undefined): void {
    const source = request ? `request ${request.id}` : 'a message';
    this.#hooks.trace?.(`Callback ${name} failed for ${source}: ${describeError(error).text}`);
  }

  #answer(request: IncomingCall, answer: unknown): Promise<void> | undefined {
    if (answer instanceof Refusal) return this.#refused(request, answer);
    const payload = answer instanceof Uint8Array ? answer : answerBytes(answer, request.name);
    if (request.dropped) return this.fail(request, undefined);
    if (!this.#requests.delete(request.id)) return undefined;
    request.stream?.replied();
    const sent = this.#outlet.sendCopy(answerHead(request.id), payload);
    return sent === accepted ? undefined : this.#untilSent(request, sent, payload.length);
  }

  #sendFailure(
    request: IncomingCall,
    code: string,
    message: string,
    data: Bytes = noBytes,
  ): Promise<void> | undefined {
    if (!this.#requests.delete(request.id)) return undefined;
    request.stream?.replied();
    const bytes = encodeFailure(request.id, code, message);
    const sent = this.#outlet.sendCopy({ bytes, length: bytes.length }, data);
    return this.#untilSent(request, sent, bytes.length + data.length);
  }

  #untilSent(request: IncomingCall, sent: Promise<void>, size: number): Promise<void> | undefined {
    if (!this.#outlet.congested) return undefined;
    // `closed` of the socket reports the error.
    const done = sent.catch(() => undefined);
    if (!request.isOrdered) return done;
    // If messages waited until this answer is sent, two sides with full send queues would both stop
    // reading, and deadlock.
    this.unsent.reserve(size);
    void done.then(() => {
      this.unsent.release(size);
      this.#onSent();
    });
    return undefined;
  }
}

function answerBytes(answer: unknown, name: string): Bytes {
  if (isItems(answer)) throw rejectItems(answer, name);
  return payloadBytes(answer as Payload | undefined);
}
