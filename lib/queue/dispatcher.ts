import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import { Fifo } from '../util/fifo.js';
import type { ClaimedSocket } from '../sockets/acquire.js';
import { Deferred, LazySignal } from '../util/wait.js';
import { AnswerGate } from './answer-gate.js';
import { Budget, detached, requestBudget, requestSize } from './flow-window.js';
import { MessageContext, type IncomingRequest } from './callback-context.js';
import { fairTurns } from './fair-turns.js';
import { IncomingRequests, type AnswerOutlet } from './incoming-requests.js';
import { Lane } from './callback-queue.js';
import { Performer, type Audience } from './callback-runner.js';
import type { QueueSocket } from './queue-socket.js';
import { Registry, type Callback, type CallbackOptions, type Registration } from './callback-registry.js';
import type { Batch, Work } from './work.js';

const none: Bytes = new Uint8Array(0);
/** Bytes up to which the payload of a request is copied: beyond that a copy costs too much. */
const smallPayload = 64;

/** What the dispatcher needs of its surroundings. */
export interface DispatcherHost extends Audience {
  readonly socket: QueueSocket;
  readonly outlet: AnswerOutlet & Pick<ClaimedSocket, 'room'>;
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
  readonly messages: Budget;
  /** All requests without an answer. Each name has limits of its own, so this may be over them. */
  readonly requests: Budget;
  /** Those of names without a callback. */
  readonly #strange: Budget;
  readonly #host: DispatcherHost;
  readonly #limits: DispatcherLimits;
  readonly #registry = new Registry<Lane<Work>>();
  /** A set: a loop over it misses none when a callback adds or removes another. */
  readonly #lanes: Set<Lane<Work>>;
  readonly #messageLane: Lane<Work>;
  readonly #requestLane: Lane<Work>;
  readonly #incoming: IncomingRequests;
  readonly #performer: Performer;
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
    this.#performer = new Performer(host, this.#registry, this.#incoming);
    this.#gate = new AnswerGate(host.outlet, () => {
      this.#kickAll();
    });
    this.messages = new Budget(limits.maxQueuedBytes, limits.maxQueuedMessages);
    this.requests = requestBudget(limits.maxQueuedBytes, limits.maxQueuedMessages);
    this.#strange = this.#newRequests();
    this.#messageLane = this.#newLane(limits.concurrency);
    this.#requestLane = this.#newLane(limits.requestConcurrency);
    this.#lanes = new Set([this.#messageLane, this.#requestLane]);
  }

  /** Callbacks that were called. */
  get performed(): number {
    return this.#performer.performed;
  }

  /** Callbacks that threw or rejected. */
  get failed(): number {
    return this.#performer.failed;
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
    const lane = concurrency === undefined ? undefined : this.#newLane(concurrency);
    if (lane) this.#lanes.add(lane);
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
  findAgain(bytes: Bytes, start: number, size: number): Registration<Lane<Work>> | undefined {
    return this.#registry.findAgain(bytes, start, size);
  }

  /** The callback whose name these bytes are. */
  find(bytes: Bytes, start: number, length: number): Registration<Lane<Work>> | undefined {
    return this.#registry.find(bytes, start, length);
  }

  /** The place that has no room for a request of the name in these bytes, if that is so. */
  fullFor(bytes: Bytes, start: number, length: number): Budget | undefined {
    const registration = this.find(bytes, start, length);
    // Requests of unknown names that are too many are refused, unless the send queue is full.
    if (!registration && !this.#host.outlet.congested) return undefined;
    const budget = registration?.requests ?? this.#strange;
    return budget.full ? budget : undefined;
  }

  /** Whether there are messages that have not begun, or requests without an answer. */
  get waiting(): boolean {
    return this.messages.messages + this.requests.messages > 0;
  }

  /** Takes a message for a callback. */
  message(registration: Registration<Lane<Work>>, payload: Bytes): void {
    this.#take(registration, payload, undefined);
  }

  /**
   * Takes a request. One of an unknown name is refused in its turn, or now if too many wait. Returns false, and takes
   * nothing, if a request with that id has no answer yet.
   */
  request(
    id: number,
    name: string,
    registration: Registration<Lane<Work>> | undefined,
    payload: Bytes,
  ): boolean {
    const request = this.#incoming.open(id, name);
    if (!request) return false;
    // The peer has a window for each name, so all unknown names together can be over the limit.
    if (!registration && this.#strange.full) void this.#incoming.refuse(request);
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
    this.#laneOf(work).skip(work);
  }

  /** Begins with what came in, as far as there is room. */
  kick(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    if (!this.#limits.manual) this.#kickAll();
    // What could not begin waits for as long as callbacks take: it must not keep its neighbours in memory.
    for (const work of fresh) work.payload = work.payload.length > 0 ? detached(work.payload) : none;
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
    const retired: Lane<Work>[] = [];
    for (let work = this.#held.shift(); work; work = this.#held.shift()) {
      work.batch = batch;
      const lane = this.#laneOf(work);
      lane.push(work);
      // The callback may have been removed while this was held, and its lane with it.
      if (work.registration?.callback || this.#lanes.has(lane)) continue;
      this.#lanes.add(lane);
      retired.push(lane);
    }
    this.#kickAll();
    for (const lane of retired) this.#retire(lane);
    this.#released.resolve();
    this.#released = new Deferred();
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    for (;;) {
      const busy = [...this.#lanes].filter((lane) => lane.busy);
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
    for (const lane of this.#lanes) lane.clear();
    this.messages.clear();
    this.requests.clear();
    for (const batch of this.#batches) batch.done.resolve();
    this.#released.resolve();
  }

  /** Forgets a lane as soon as what waits there has had its turn. */
  #retire(lane: Lane<Work>): void {
    if (lane.busy) {
      void lane.idle().then(() => {
        this.#retire(lane);
      });
      return;
    }
    this.#lanes.delete(lane);
  }

  #newRequests(): Budget {
    const { maxQueuedBytes, maxQueuedMessages } = this.#limits;
    return requestBudget(maxQueuedBytes, maxQueuedMessages, this.requests);
  }

  #newLane(concurrency: number): Lane<Work> {
    return new Lane<Work>(
      concurrency,
      (work) => this.#perform(work),
      () => {
        this.#host.onRoom();
      },
      (work) => this.#mayBegin(work),
    );
  }

  #kickAll(): void {
    for (const lane of this.#lanes) lane.kick();
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
      this.#kickAll();
    });
  }

  #laneOf({ registration, request }: Work): Lane<Work> {
    return registration?.lane ?? (request ? this.#requestLane : this.#messageLane);
  }

  #take(
    registration: Registration<Lane<Work>> | undefined,
    payload: Bytes,
    request: IncomingRequest | undefined,
  ): void {
    const priority = registration?.priority ?? 0;
    const work: Work = { priority, begun: false, registration, request, payload, batch: undefined };
    if (request) request.work = work;
    this.#budgetOf(work).take(sizeOf(work));
    this.#fresh.push(work);
    if (this.#limits.manual) this.#held.push(work);
    else this.#laneOf(work).push(work);
  }

  #budgetOf({ registration, request }: Work): Budget {
    return request ? (registration?.requests ?? this.#strange) : this.messages;
  }

  #perform(work: Work): PromiseLike<void> | undefined {
    const { request } = work;
    const payload = request ? ownPayload(work.payload) : work.payload;
    const size = sizeOf(work);
    work.begun = true;
    work.payload = none;
    if (request) this.#gate.begin();
    else this.#budgetOf(work).give(size);
    const done = this.#performer.perform(work, payload);
    if (!request && !work.batch) return done;
    if (done) {
      return done.then(() => {
        this.#finish(work, size);
        if (request && this.#gate.finish()) this.#kickAll();
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
    if (request && !this.#stopped) this.#budgetOf(work).give(size);
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
  return payload.length > smallPayload ? payload : detached(payload);
}
