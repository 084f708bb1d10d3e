import type { K4netError } from '../errors.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import { compact, noBytes, type Bytes } from '../util/bytes.js';
import { LazySignal } from '../util/wait.js';
import { AnswerGate } from './answer-gate.js';
import { CallQueues } from './call-queues.js';
import type { CallbackQueue, TaskRunner } from './callback-queue.js';
import { CallbackRegistry } from './callback-registry.js';
import { CallbackRunner, type AnswerOutlet } from './callback-runner.js';
import type { ErrorHooks } from './error-hooks.js';
import { fairTurns } from './fair-turns.js';
import { FlowWindow, requestSize } from './flow-window.js';
import { IncomingCall, type Registration } from './incoming-call.js';
import { ManualDispatch } from './manual-dispatch.js';
import type { CheckedCallbackOptions, CheckedQueueOptions } from './queue-socket-options.js';
import { RequestWindows } from './request-windows.js';
import type { StreamHost } from './stream-host.js';
import type { OpenFields } from './stream-open.js';
import type { Callback, QueueSocketLike } from './types.js';

/** The events of a dispatcher. */
export interface DispatcherEvents {
  /** A flow window may have room again. */
  onRoom(): void;
  /** The callback of a message was removed while the message waited. */
  onUnmatched(name: string, payload: Bytes): void;
}

/**
 * Runs the callbacks of arriving messages and requests.
 *
 * Messages have one queue and requests another, so a callback that waits for an answer cannot
 * deadlock with the requests that the peer makes meanwhile. The requests of an ordered callback are
 * in the queue of messages. A callback with a concurrency of its own has a queue of its own. A call
 * that arrives while its queue is free runs at once, without an entry.
 */
export class Dispatcher implements TaskRunner<IncomingCall> {
  /** Messages that wait for their callbacks. */
  readonly messages: FlowWindow;
  readonly windows: RequestWindows;
  readonly registry: CallbackRegistry = new CallbackRegistry();
  readonly manual: ManualDispatch;
  readonly runner: CallbackRunner;
  readonly #socket: QueueSocketLike;
  readonly #outlet: AnswerOutlet;
  readonly #hooks: ErrorHooks;
  readonly #limits: CheckedQueueOptions;
  readonly #events: DispatcherEvents;
  readonly #queues: CallQueues;
  readonly #streams: StreamHost;
  readonly #gate: AnswerGate;
  readonly #life = new LazySignal();
  /** Calls that were queued since the last `start`. */
  #fresh: IncomingCall[] = [];
  /** False with priorities: a queue sorts the calls that arrive together. */
  #runsDirectly: boolean;
  #stopped = false;
  /** Whether the waiting calls continue in a later turn. */
  #yielded = false;

  constructor(
    socket: QueueSocketLike,
    outlet: AnswerOutlet & Pick<OwnedSocket, 'room'>,
    limits: CheckedQueueOptions,
    hooks: ErrorHooks,
    events: DispatcherEvents,
    streams: StreamHost,
  ) {
    this.#streams = streams;
    this.#socket = socket;
    this.#outlet = outlet;
    this.#limits = limits;
    this.#hooks = hooks;
    this.#events = events;
    this.#runsDirectly = !limits.manual;
    const start = (): void => {
      this.#queues.start();
    };
    this.runner = new CallbackRunner(outlet, this.registry, hooks, limits, start);
    this.#gate = new AnswerGate(outlet, start);
    this.manual = new ManualDispatch((calls) => {
      this.#startHeld(calls);
    });
    this.messages = new FlowWindow(limits.maxQueuedBytes, limits.maxQueuedMessages);
    this.windows = new RequestWindows(limits.maxQueuedBytes, limits.maxQueuedMessages);
    this.#queues = new CallQueues(this, limits);
  }

  register(name: string, callback: Callback, options: CheckedCallbackOptions): void {
    const { ordered, priority = 0 } = options;
    const queue = this.#queues.forCallback(options);
    if (priority !== 0) this.#runsDirectly = false;
    const requests = this.registry.get(name)?.requests ?? this.windows.add();
    this.remove(name);
    const context = new IncomingCall(this.#socket, name, undefined, -1, 0, this.#life);
    this.registry.set({ name, priority, queue, ordered, requests, callback, context });
  }

  remove(name: string): void {
    const queue = this.registry.remove(name)?.queue;
    if (queue) this.#queues.retire(queue);
  }

  /** Whether messages wait for their callbacks, or requests have no answer. */
  get waiting(): boolean {
    return this.messages.messages + this.windows.total.messages > 0;
  }

  /**
   * Takes a message: runs its callback at once if no other call is before it, otherwise queues it.
   */
  message(registration: Registration, payload: Bytes): void {
    const queue = registration.queue ?? this.#queues.messages;
    const { callback, context, name } = registration;
    if (callback && this.#runsDirectly && queue.open) {
      fairTurns.step();
      queue.enter();
      queue.leave(this.runner.message(callback, context, payload));
      return;
    }
    const { length } = payload;
    const call = new IncomingCall(this.#socket, name, registration, -1, length, this.#life);
    this.messages.reserve(length);
    this.#enqueue(call, payload);
  }

  /**
   * Takes a request: runs its callback at once if no other call is before it, otherwise queues it.
   * Refuses a request of an unknown name in order too, or at once if too many such requests wait.
   *
   * @returns false if a request with this id has no answer yet.
   */
  request(
    id: number,
    name: string,
    registration: Registration | undefined,
    payload: Bytes,
    opening?: OpenFields,
  ): boolean {
    const size = requestSize(name, payload);
    const request = new IncomingCall(this.#socket, name, registration, id, size, undefined);
    if ((opening && this.#streams.has(id)) || !this.runner.add(request)) return false;
    if (opening) request.open(this.#streams.accept(id, opening));
    const window = registration?.requests ?? this.windows.unknownNames;
    // The peer has a window for each name, so all unknown names together can exceed the limit.
    if (!registration && window.full) {
      void this.runner.refuse(request);
      return true;
    }
    window.reserve(size);
    const queue = this.#queues.of(request);
    if (this.#runsDirectly && queue.open && this.#hasRoom(request)) {
      fairTurns.step();
      queue.enter();
      queue.leave(this.#runRequest(request, payload));
    } else {
      this.#enqueue(request, payload);
    }
    return true;
  }

  /**
   * The peer has cancelled a request. A request whose callback has not started is dropped now,
   * except while the peer does not read replies, or while manual dispatch still holds it.
   */
  cancel(id: number): void {
    const request = this.runner.cancel(id);
    if (!request) {
      this.#streams.cancelled(id);
      return;
    }
    this.#hooks.trace?.(`The caller of ${request.name} has cancelled request ${id}`);
    if (request.begun || this.#outlet.congested) return;
    if (this.#limits.manual && !request.batch) return;
    request.takePayload();
    void this.runner.fail(request, undefined);
    this.#finish(request);
    this.#queues.of(request).skip(request);
  }

  /** Starts the calls that were queued, within their limits. */
  start(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    if (!this.#limits.manual) this.#queues.start();
    // A payload that waits must not keep a much larger buffer in memory.
    for (const call of fresh) call.payload = call.payload.length > 0 ? compact(call.payload) : noBytes;
  }

  /** Resolves when no call waits or runs. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#queues.idle();
      if (this.manual.held === 0) return;
      await this.manual.released;
    }
  }

  /** Aborts the signals of requests that manual dispatch holds: the socket is about to close. */
  abortHeld(reason: K4netError): void {
    if (this.#limits.manual) this.runner.abortHeld(reason);
  }

  /** Aborts the signals of all callbacks. Waiting callbacks are still called. */
  abort(reason: K4netError): void {
    this.#life.abort(() => reason);
    this.runner.abortAll(reason, this.#limits.manual);
  }

  /** Drops all calls whose callbacks have not started. */
  stop(): void {
    this.#stopped = true;
    this.runner.stop();
    this.#queues.clear();
    this.messages.clear();
    this.windows.total.clear();
    this.manual.stop();
  }

  /** Runs a queued call: see {@link TaskRunner}. */
  run(call: IncomingCall): PromiseLike<void> | undefined {
    const payload = call.takePayload();
    if (call.isRequest) return this.#runRequest(call, payload);
    this.messages.release(call.size);
    const { batch, name } = call;
    const callback = this.runner.callbackOf(call);
    let pending: PromiseLike<void> | undefined;
    if (callback) pending = this.runner.message(callback, call, payload);
    else this.#events.onUnmatched(name, payload);
    if (!batch) return pending;
    if (!pending) {
      this.manual.finish(batch);
      return undefined;
    }
    return pending.then(() => {
      this.manual.finish(batch);
      this.#events.onRoom();
    });
  }

  /** Whether a callback may start now. If not, the queues start again later. */
  mayStart(call: IncomingCall): boolean {
    if (fairTurns.step()) {
      this.#yield();
      return false;
    }
    return !call.isRequest || this.#hasRoom(call);
  }

  onProgress(): void {
    this.#events.onRoom();
  }

  /** Whether the answers that wait to be sent leave room for one more request. */
  #hasRoom({ isOrdered, isStream }: IncomingCall): boolean {
    return isOrdered ? !this.runner.unsent.full : isStream || !this.#gate.closed;
  }

  #runRequest(request: IncomingCall, payload: Bytes): Promise<void> | undefined {
    request.begun = true;
    const pending = this.runner.request(request, payload);
    if (pending) return this.#queues.occupy(request, this.#finishLater(request, pending));
    this.#finish(request);
    // Other requests need no start here: the queue that ran this request continues by itself.
    if (!request.isOrdered) this.#gate.beginAndFinish();
    return undefined;
  }

  async #finishLater(request: IncomingCall, pending: Promise<void>): Promise<void> {
    // A stream runs for long and has its own flow control: it must not hold up other requests.
    const gated = !request.isStream && !request.isOrdered;
    if (gated) this.#gate.begin();
    if (request.isStream) this.manual.leave(request);
    await pending;
    this.#finish(request);
    if (gated && this.#gate.finish()) this.#queues.start();
    this.#events.onRoom();
  }

  /**
   * Ends a request. It counts in its window until its answer is sent; an ordered request only until
   * its callback has ended.
   */
  #finish(request: IncomingCall): void {
    const window = request.registration?.requests ?? this.windows.unknownNames;
    if (!this.#stopped) window.release(request.size);
    if (request.batch) this.manual.finish(request.batch);
  }

  /** Queues a call that has reserved room in its window. */
  #enqueue(call: IncomingCall, payload: Bytes): void {
    call.payload = payload;
    this.#fresh.push(call);
    if (this.#limits.manual) this.manual.hold(call);
    else this.#queues.of(call).push(call);
  }

  #startHeld(calls: readonly IncomingCall[]): void {
    const queues = new Set<CallbackQueue<IncomingCall>>();
    for (const call of calls) {
      const queue = this.#queues.of(call);
      queues.add(queue);
      queue.push(call);
    }
    this.#queues.startAlso(queues);
  }

  #yield(): void {
    if (this.#yielded) return;
    this.#yielded = true;
    fairTurns.wait(() => {
      this.#yielded = false;
      this.#queues.start();
    });
  }
}
