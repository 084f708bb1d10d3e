import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import { Fifo } from '../util/fifo.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import { Deferred, LazySignal } from '../util/wait.js';
import { AnswerGate } from './answer-gate.js';
import { FlowWindow, compact, requestWindow, requestSize } from './flow-window.js';
import { MessageContext, type Batch, type IncomingRequest, type Work } from './callback-context.js';
import { fairTurns } from './fair-turns.js';
import { IncomingRequests, type AnswerOutlet } from './incoming-requests.js';
import { CallbackQueue } from './callback-queue.js';
import { CallbackRunner, type RunnerHost } from './callback-runner.js';
import { CallbackRegistry, type Registration } from './callback-registry.js';
import type { Callback, CallbackOptions, QueueSocketLike } from './types.js';

const none: Bytes = new Uint8Array(0);
/** Bytes up to which the payload of a request is copied: beyond that a copy costs too much. */
const smallPayload = 64;

/** What the dispatcher needs of its surroundings. */
export interface DispatcherHost extends RunnerHost {
  readonly socket: QueueSocketLike;
  readonly outlet: AnswerOutlet & Pick<OwnedSocket, 'room'>;
  /** There may be room for more. */
  onRoom(): void;
}

/** Limits of a dispatcher. */
export interface DispatcherLimits {
  readonly concurrency: number;
  readonly requestConcurrency: number;
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
  /** Whether nothing is performed until `release`. */
  readonly manual: boolean;
}

/**
 * Performs callbacks: those of messages in one lane, those of requests in another, so that a callback that waits for
 * an answer does not stand in the way of the requests that the peer makes meanwhile. A callback with a concurrency of its
 * own has a lane of its own.
 */
export class Dispatcher {
  readonly messages: FlowWindow;
  /** All requests without an answer. Each name has limits of its own, so this may be over them. */
  readonly requests: FlowWindow;
  /** Those of names without a callback. */
  readonly #unknownNames: FlowWindow;
  readonly #host: DispatcherHost;
  readonly #limits: DispatcherLimits;
  readonly #registry = new CallbackRegistry<CallbackQueue<Work>>();
  /** A set: a loop over it misses none when a callback adds or removes another. */
  readonly #queues: Set<CallbackQueue<Work>>;
  readonly #messageQueue: CallbackQueue<Work>;
  readonly #requestQueue: CallbackQueue<Work>;
  readonly #incoming: IncomingRequests;
  readonly #runner: CallbackRunner;
  readonly #gate: AnswerGate;
  readonly #life = new LazySignal();
  readonly #held = new Fifo<Work>();
  readonly #batches = new Set<Batch>();
  /** What came in since the last kick. */
  #fresh: Work[] = [];
  #released = new Deferred<void>();
  #stopped = false;
  /** Whether this turn had no time left for what waits. */
  #yielded = false;

  constructor(host: DispatcherHost, limits: DispatcherLimits) {
    this.#host = host;
    this.#limits = limits;
    this.#incoming = new IncomingRequests(host.socket, host.outlet);
    this.#runner = new CallbackRunner(host, this.#registry, this.#incoming);
    this.#gate = new AnswerGate(host.outlet, () => {
      this.#startAll();
    });
    this.messages = new FlowWindow(limits.maxQueuedBytes, limits.maxQueuedMessages);
    this.requests = requestWindow(limits.maxQueuedBytes, limits.maxQueuedMessages);
    this.#unknownNames = this.#newRequests();
    this.#messageQueue = this.#newQueue(limits.concurrency);
    this.#requestQueue = this.#newQueue(limits.requestConcurrency);
    this.#queues = new Set([this.#messageQueue, this.#requestQueue]);
  }

  /** Callbacks that were called. */
  get performed(): number {
    return this.#runner.started;
  }

  /** Callbacks that threw or rejected. */
  get failed(): number {
    return this.#runner.failed;
  }

  /** Requests of the peer that were not answered yet. */
  get unanswered(): number {
    return this.#incoming.size;
  }

  /** Callbacks that wait for `release`. */
  get held(): number {
    return this.#held.length;
  }

  register(name: string, callback: Callback, { concurrency, priority = 0 }: CallbackOptions): void {
    const lane = concurrency === undefined ? undefined : this.#newQueue(concurrency);
    if (lane) this.#queues.add(lane);
    const requests = this.#registry.get(name)?.requests ?? this.#newRequests();
    this.remove(name);
    const context = new MessageContext(this.#host.socket, name, this.#life);
    this.#registry.set({ name, priority, lane, requests, callback, context });
  }

  remove(name: string): void {
    const lane = this.#registry.remove(name)?.lane;
    if (lane) this.#retire(lane);
  }

  /** The callback that was found last, if these bytes begin with its name and a NUL. */
  findAgain(bytes: Bytes, start: number, size: number): Registration<CallbackQueue<Work>> | undefined {
    return this.#registry.findAgain(bytes, start, size);
  }

  /** The callback whose name these bytes are. */
  find(bytes: Bytes, start: number, length: number): Registration<CallbackQueue<Work>> | undefined {
    return this.#registry.find(bytes, start, length);
  }

  /** The place that has no room for a request of the name in these bytes, if that is so. */
  fullFor(bytes: Bytes, start: number, length: number): FlowWindow | undefined {
    const registration = this.find(bytes, start, length);
    // Requests of unknown names that are too many are refused, unless the send queue is full.
    if (!registration && !this.#host.outlet.congested) return undefined;
    const budget = registration?.requests ?? this.#unknownNames;
    return budget.full ? budget : undefined;
  }

  /** Whether there are messages that have not begun, or requests without an answer. */
  get waiting(): boolean {
    return this.messages.messages + this.requests.messages > 0;
  }

  /** Takes a message for a callback. */
  message(registration: Registration<CallbackQueue<Work>>, payload: Bytes): void {
    this.#take(registration, payload, undefined);
  }

  /**
   * Takes a request. One of an unknown name is refused in its turn, or now if too many wait. Returns false, and takes
   * nothing, if a request with that id has no answer yet.
   */
  request(
    id: number,
    name: string,
    registration: Registration<CallbackQueue<Work>> | undefined,
    payload: Bytes,
  ): boolean {
    const request = this.#incoming.open(id, name);
    if (!request) return false;
    // The peer has a window for each name, so all unknown names together can be over the limit.
    if (!registration && this.#unknownNames.full) void this.#incoming.refuse(request);
    else this.#take(registration, payload, request);
    return true;
  }

  /**
   * The peer does not wait for that answer any more. What has not begun is done with at once, unless the peer does not
   * take replies, or nobody counts it out of its line.
   */
  cancel(id: number): void {
    const request = this.#incoming.cancel(id);
    if (!request) return;
    this.#host.trace?.(`The caller of ${request.name} has given request ${id} up`);
    const { work } = request;
    if (!work || work.begun || this.#host.outlet.congested) return;
    if (this.#limits.manual && !work.batch) return;
    work.begun = true;
    void this.#incoming.fail(request, undefined);
    this.#finish(work, sizeOf(work));
    work.payload = none;
    this.#queueOf(work).skip(work);
  }

  /** Begins with what came in, as far as there is room. */
  kick(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    if (!this.#limits.manual) this.#startAll();
    // What could not begin waits for as long as callbacks take: it must not keep its neighbours in memory.
    for (const work of fresh) work.payload = work.payload.length > 0 ? compact(work.payload) : none;
  }

  /** Begins with all that waits for it, and resolves with the count when that is done or dropped. */
  async release(): Promise<number> {
    if (this.#held.length === 0) return 0;
    const batch: Batch = { count: 0, left: 0, done: new Deferred() };
    this.#batches.add(batch);
    this.#release(batch);
    await batch.done.promise;
    this.#batches.delete(batch);
    return batch.count - batch.left;
  }

  /** Adds what is held to a release that is under way, if there is one. */
  releaseMore(): void {
    if (this.#held.length === 0) return;
    for (const batch of this.#batches) {
      if (batch.left === 0) continue;
      this.#release(batch);
      return;
    }
  }

  #release(batch: Batch): void {
    batch.count += this.#held.length;
    batch.left += this.#held.length;
    const retired: CallbackQueue<Work>[] = [];
    for (let work = this.#held.shift(); work; work = this.#held.shift()) {
      work.batch = batch;
      const lane = this.#queueOf(work);
      lane.push(work);
      // The callback may have been removed while this was held, and its lane with it.
      if (work.registration?.callback || this.#queues.has(lane)) continue;
      this.#queues.add(lane);
      retired.push(lane);
    }
    this.#startAll();
    for (const lane of retired) this.#retire(lane);
    this.#released.resolve();
    this.#released = new Deferred();
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    for (;;) {
      const busy = [...this.#queues].filter((lane) => lane.busy);
      if (busy.length > 0) await Promise.all(busy.map((lane) => lane.idle()));
      else if (this.#held.length > 0) await this.#released.promise;
      else return;
    }
  }

  /** Tells requests that wait for `release` that the socket is about to close. */
  abortHeld(reason: K4netError): void {
    if (this.#limits.manual) this.#incoming.abortHeld(reason);
  }

  /** Tells all callbacks that the socket is gone. Those that wait are still called. */
  abort(reason: K4netError): void {
    this.#life.abort(() => reason);
    this.#incoming.dropAll(reason, this.#limits.manual);
  }

  /** Drops what has not begun. */
  stop(): void {
    this.#stopped = true;
    this.#held.clear();
    for (const lane of this.#queues) lane.clear();
    this.messages.clear();
    this.requests.clear();
    for (const batch of this.#batches) batch.done.resolve();
    this.#released.resolve();
  }

  /** Forgets a lane as soon as what waits there has had its turn. */
  #retire(lane: CallbackQueue<Work>): void {
    if (lane.busy) {
      void lane.idle().then(() => {
        this.#retire(lane);
      });
      return;
    }
    this.#queues.delete(lane);
  }

  #newRequests(): FlowWindow {
    const { maxQueuedBytes, maxQueuedMessages } = this.#limits;
    return requestWindow(maxQueuedBytes, maxQueuedMessages, this.requests);
  }

  #newQueue(concurrency: number): CallbackQueue<Work> {
    return new CallbackQueue<Work>(
      concurrency,
      (work) => this.#runWork(work),
      () => {
        this.#host.onRoom();
      },
      (work) => this.#mayBegin(work),
    );
  }

  #startAll(): void {
    for (const lane of this.#queues) lane.start();
  }

  /** Whether a callback may start now; if not, `#kickAll` follows. */
  #mayBegin(work: Work): boolean {
    if (work.begun) return true;
    if (fairTurns.step()) {
      this.#yield();
      return false;
    }
    return !work.request || !this.#gate.closed;
  }

  #yield(): void {
    if (this.#yielded) return;
    this.#yielded = true;
    fairTurns.wait(() => {
      this.#yielded = false;
      this.#startAll();
    });
  }

  #queueOf({ registration, request }: Work): CallbackQueue<Work> {
    return registration?.lane ?? (request ? this.#requestQueue : this.#messageQueue);
  }

  #take(
    registration: Registration<CallbackQueue<Work>> | undefined,
    payload: Bytes,
    request: IncomingRequest | undefined,
  ): void {
    const priority = registration?.priority ?? 0;
    const work: Work = { priority, begun: false, registration, request, payload, batch: undefined };
    if (request) request.work = work;
    this.#windowOf(work).reserve(sizeOf(work));
    this.#fresh.push(work);
    if (this.#limits.manual) this.#held.push(work);
    else this.#queueOf(work).push(work);
  }

  #windowOf({ registration, request }: Work): FlowWindow {
    return request ? (registration?.requests ?? this.#unknownNames) : this.messages;
  }

  #runWork(work: Work): PromiseLike<void> | undefined {
    const { request } = work;
    const payload = request ? ownPayload(work.payload) : work.payload;
    const size = sizeOf(work);
    work.begun = true;
    work.payload = none;
    if (request) this.#gate.begin();
    else this.#windowOf(work).release(size);
    const done = this.#runner.run(work, payload);
    if (!request && !work.batch) return done;
    if (done) {
      return done.then(() => {
        this.#finish(work, size);
        if (request && this.#gate.finish()) this.#startAll();
        this.#host.onRoom();
      });
    }
    this.#finish(work, size);
    // Nothing else may start now that could not before: the lane that called goes on by itself.
    if (request) this.#gate.finish();
    return undefined;
  }

  /** A request keeps its room until it has its answer, as it does at the other end. */
  #finish(work: Work, size: number): void {
    const { request, batch } = work;
    if (request && !this.#stopped) this.#windowOf(work).release(size);
    if (!batch) return;
    batch.left -= 1;
    if (batch.left === 0) batch.done.resolve();
  }
}

/** Bytes that a queue counts for a call of a callback, without the overhead. */
function sizeOf({ request, payload }: Work): number {
  return request ? requestSize(request.name, payload) : payload.length;
}

/**
 * A callback may take long: a small payload must not keep the whole run of received bytes in memory.
 * A copy of a larger one would slow callbacks that answer at once.
 */
function ownPayload(payload: Bytes): Bytes {
  if (payload.length === 0) return none;
  return payload.length > smallPayload ? payload : compact(payload);
}
