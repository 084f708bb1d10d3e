import { K4netError, RemoteError } from '../../../lib/errors.js';
import type { QueueErrorInfo } from '../../../lib/queue/types.js';
import { QueueSocket } from '../../../lib/queue/queue-socket.js';
import type { Callback } from '../../../lib/queue/types.js';
import type { LockedSocket } from '../../../lib/sockets/locked-socket.js';
import { same } from '../../support/random.js';
import { turns } from '../../support/recorder.js';
import { Abort, describe, PendingOperations, settledWithin, type Signals, type Violations } from './cases.js';
import { answerTo, headOf, messageOf, rawMark } from './queue-messages.js';
import type { Behaviour, CallbackPlan, QueuePlan, QueueSidePlan, QueueStep } from './queue-plan.js';

/** A message at its sender. */
export interface SentMessage {
  readonly name: string;
  readonly kind: 'message' | 'raw' | 'request';
  /** Whether the socket has accepted it. */
  accepted: boolean;
}

/** One call of a callback, or one message of `recv`. */
export interface Handled {
  readonly index: number;
  readonly kind: SentMessage['kind'];
  readonly name: string;
  /** The group of tasks whose order it keeps; undefined for `recv`. */
  readonly queue: string | undefined;
}

/** One side of a case: a queue socket with its callbacks, its sent and its handled messages. */
export class QueueSide {
  readonly name: string;
  readonly queue: QueueSocket;
  readonly plan: QueueSidePlan;
  readonly sent: SentMessage[] = [];
  readonly handled: Handled[] = [];
  readonly pending = new PendingOperations();
  /** Whether this side has started to close, to drain or to cut. */
  ending: 'close' | 'drain' | 'cut' | undefined;
  peer: QueueSide | undefined;
  readonly #limits: QueuePlan;
  readonly #signals: Signals;
  readonly #violations: Violations;
  readonly #cut: () => void;
  readonly #running = new Map<string, number>();
  #generation = 0;
  #stepsDone = 0;
  readonly #stableNames: ReadonlySet<string>;
  readonly #receiving: Promise<unknown>;

  constructor(
    name: string,
    socket: LockedSocket,
    limits: QueuePlan,
    plan: QueueSidePlan,
    signals: Signals,
    violations: Violations,
    cut: () => void,
  ) {
    this.name = name;
    this.plan = plan;
    this.#stableNames = stableNamesOf(plan);
    this.#limits = limits;
    this.#signals = signals;
    this.#violations = violations;
    this.#cut = cut;
    const { dispatch, unmatched, concurrency, requestConcurrency } = plan;
    const { maxQueuedBytes, maxQueuedMessages } = limits;
    this.queue = new QueueSocket(socket, {
      dispatch,
      unmatched,
      concurrency,
      requestConcurrency,
      maxQueuedBytes,
      maxQueuedMessages,
      callTimeout: Infinity,
      onError: (error, info) => {
        this.#onError(error, info);
      },
    });
    for (const each of plan.callbacks) this.#register(each);
    this.#register({ name: 'leaf', behaviour: leafBehaviour, concurrency: Infinity, priority: 0 });
    this.#register({ name: 'sink', behaviour: leafBehaviour, concurrency: undefined, priority: 0 });
    this.queue.start();
    this.#receiving = Promise.all([this.#receiveAll(), this.#performAll()]);
  }

  /** Names whose callback never changes. */
  get stableNames(): ReadonlySet<string> {
    return this.#stableNames;
  }

  /** Whether other calls receive besides the loop: then the order is unknown. */
  get receivesTwice(): boolean {
    return this.plan.steps.some(({ kind }) => kind === 'recv');
  }

  /** Runs all steps and waits for their operations. */
  async run(): Promise<void> {
    for (const step of this.plan.steps) {
      await settledWithin(step.pause, this.#do(step));
      this.#stepsDone += 1;
      this.#checkLimits();
    }
    await this.pending.settled();
  }

  async end(how: 'drain' | 'close'): Promise<void> {
    await this.#do({ kind: how, pause: 0 });
    await this.pending.settled();
  }

  /**
   * Waits until every operation of this side has settled, after one of the sides has started to
   * close.
   */
  async finish(): Promise<void> {
    await this.queue.closed;
    await this.#receiving;
    await this.pending.settled();
  }

  toString(): string {
    const { queue, ending, handled, sent } = this;
    return [
      `${this.name}: ${queue.readyState}, step ${this.#stepsDone} of ${this.plan.steps.length}, ending: ${ending ?? 'no'}`,
      `sent ${sent.length}, handled ${handled.length}, pending: ${this.pending.toString()}`,
      `running: ${JSON.stringify([...this.#running].filter(([, count]) => count > 0))}`,
      JSON.stringify(queue.stats()),
    ].join('\n  ');
  }

  #watch<T>(label: string, promise: Promise<T>): Promise<T> {
    return this.pending.watch(label, promise);
  }

  #do(step: QueueStep): Promise<unknown> {
    const { queue } = this;
    switch (step.kind) {
      case 'message':
        return this.#send(step.name, step.size);
      case 'raw':
        return this.#send(undefined, step.size);
      case 'call':
        return this.#call(step.name, step.size, step.timeout, this.#signals.make(step.abort));
      case 'register':
        this.#register(step.callback);
        return Promise.resolve();
      case 'remove':
        queue.removeCallback(step.name);
        return Promise.resolve();
      case 'recv':
        return this.#recv(step.block, step.timeout, this.#signals.make(step.abort));
      case 'perform':
        return this.#watch('recvRegistered', queue.recvRegistered()).catch(this.#checkEnd);
      case 'drain':
      case 'close':
        this.ending ??= step.kind;
        return this.#watch(step.kind, this.#end(step.kind));
      case 'cut':
        this.ending = 'cut';
        this.#cut();
        return Promise.resolve();
    }
  }

  #end(how: 'drain' | 'close'): Promise<void> {
    const limit = { timeout: Infinity };
    return how === 'drain' ? this.queue.drain(limit) : this.queue.close(undefined, limit);
  }

  async #send(name: string | undefined, size: number): Promise<void> {
    const kind = name === undefined ? 'raw' : 'message';
    const index = this.sent.length;
    const sent: SentMessage = { name: name ?? '', kind, accepted: !this.#isOver() };
    this.sent.push(sent);
    const bytes = messageOf(index, kind, size);
    const sending = name === undefined ? this.queue.send(bytes) : this.queue.sendRegistered(name, bytes);
    try {
      await this.#watch(`send ${index}`, sending);
    } catch (error) {
      sent.accepted = false;
      this.#checkEnd(error);
    }
  }

  #isOver(): boolean {
    return ['closing', 'closed'].includes(this.queue.readyState) || this.ending === 'close';
  }

  /** Makes a call, and checks its result. */
  async #call(name: string, size: number, timeout: number, signal?: AbortSignal): Promise<void> {
    const index = this.sent.length;
    this.sent.push({ name, kind: 'request', accepted: false });
    const payload = messageOf(index, 'request', size);
    const label = `call ${index} of ${name}`;
    try {
      const answer = await this.#watch(label, this.queue.call(name, payload, { timeout, signal }));
      if (!same(answer.read(), answerTo(payload)))
        this.#violations.add(`${this.name}: ${label} got a wrong answer`);
    } catch (error) {
      if (error instanceof Abort && signal?.aborted) return;
      if (K4netError.is(error, 'K4NET_TIMEOUT') && timeout !== Infinity) return;
      if (error instanceof RemoteError && error.remoteCode === 'BOOM') return;
      const gone = error instanceof RemoteError && error.remoteCode === 'K4NET_NO_CALLBACK';
      if (gone && name !== 'leaf' && name !== 'sink') return;
      this.#checkEnd(error);
    }
  }

  async #recv(block: boolean, timeout?: number, signal?: AbortSignal): Promise<void> {
    try {
      const receiving = block
        ? this.queue.recv({ timeout, signal })
        : this.queue.recv({ block: false, timeout, signal });
      // A call that never settles ends with the socket: do not wait for it.
      const message = await (timeout === undefined && block ? receiving : this.#watch('recv', receiving));
      if (message) this.#take(message);
    } catch (error) {
      if (error instanceof Abort || K4netError.is(error, 'K4NET_TIMEOUT')) return;
      this.#checkEnd(error);
    }
  }

  /** A message without a callback. */
  #take(message: Uint8Array): void {
    const raw = message[0] === rawMark;
    const nameEnd = raw ? 0 : message.indexOf(0) + 1;
    const { index, kind } = headOf(message.subarray(nameEnd));
    const name = raw ? '' : new TextDecoder().decode(message.subarray(0, nameEnd - 1));
    this.handled.push({ index, kind, name, queue: undefined });
  }

  async #receiveAll(): Promise<void> {
    try {
      for await (const message of this.queue) this.#take(message);
    } catch (error) {
      this.#checkEnd(error);
    }
  }

  async #performAll(): Promise<void> {
    if (this.plan.dispatch === 'auto') return;
    const inTurn = this.plan.performing === 'in turn';
    try {
      for (;;) {
        const performing = this.queue.recvRegistered();
        performing.catch(() => undefined);
        await (inTurn ? performing : Promise.race([performing, turns(2)]));
        await turns();
      }
    } catch (error) {
      this.#checkEnd(error);
    }
  }

  #register({ name, behaviour, concurrency, priority }: CallbackPlan): void {
    const generation = (this.#generation += 1);
    const shared = `shared ${priority}`;
    const queue = concurrency === undefined ? shared : `own ${generation}`;
    this.queue.registerCallback(
      name,
      (reader) => {
        const payload = reader.read();
        const { index, kind } = headOf(payload);
        this.handled.push({ index, kind, name, queue: `${queue} of ${kind}s` });
        const lanes = concurrency === undefined ? `shared ${kind}` : queue;
        const shared = kind === 'request' ? this.plan.requestConcurrency : this.plan.concurrency;
        // Messages have no window: one that waits behind a callback keeps the answer back that
        // this one waits for.
        const apart = concurrency === undefined || concurrency === Infinity;
        const mayWait = kind === 'request' && apart && this.#stableNames.has(name);
        const behave = (): unknown => this.#behave(behaviour, payload, mayWait);
        // Tasks of a callback that was replaced keep their place beside those of the new one.
        const stable = this.#stableNames.has(name);
        const answer = stable ? this.#count(lanes, concurrency ?? shared, behave) : behave();
        return answer as ReturnType<Callback>;
      },
      { ...(concurrency === undefined ? {} : { concurrency }), priority },
    );
  }

  /** Counts the running callbacks of a queue, and checks their limit. */
  #count(queue: string, limit: number, behave: () => unknown): unknown {
    const running = (this.#running.get(queue) ?? 0) + 1;
    this.#running.set(queue, running);
    const done = (): void => void this.#running.set(queue, (this.#running.get(queue) ?? 0) - 1);
    if (running > limit) this.#violations.add(`${this.name}: ${running} callbacks at a time in ${queue}`);
    let result: unknown;
    try {
      result = behave();
    } catch (error) {
      done();
      throw error;
    }
    if (result instanceof Promise) return result.finally(done);
    done();
    return result;
  }

  #behave({ kind, turns: count, other }: Behaviour, payload: Uint8Array, mayWait: boolean): unknown {
    const answer = answerTo(payload);
    switch (kind) {
      case 'return':
        return answer;
      case 'throw':
        throw boom();
      case 'wait':
        return turns(count).then(() => answer);
      case 'reject':
        return turns(count).then(() => {
          throw boom();
        });
      case 'call': {
        const call = this.#call('leaf', count, Infinity);
        return mayWait ? call.then(() => answer) : answer;
      }
      case 'send':
        void this.#send('sink', count);
        return answer;
      case 'change':
        if (count % 2 === 0) this.queue.removeCallback(other);
        else {
          const behaviour: Behaviour = { kind: 'wait', turns: count, other };
          this.#register({ name: other, behaviour, concurrency: count, priority: 0 });
        }
        return answer;
    }
  }

  #checkLimits(): void {
    const { callbackQueue } = this.queue.stats();
    const { maxQueuedBytes, maxQueuedMessages } = this.#limits;
    if (callbackQueue.messages > maxQueuedMessages || callbackQueue.bytes >= maxQueuedBytes + longest) {
      this.#violations.add(
        `${this.name}: the callback queue is over its limit: ${JSON.stringify(callbackQueue)}`,
      );
    }
  }

  #onError(error: unknown, { kind, name }: QueueErrorInfo): void {
    const expected =
      (error as { code?: unknown } | undefined)?.code === 'BOOM' ||
      (kind === 'message' && K4netError.is(error, 'K4NET_NO_CALLBACK') && this.plan.unmatched === 'error');
    if (!expected) this.#violations.add(`${this.name}: onError got ${kind} '${name}': ${describe(error)}`);
  }

  /** Whether an error is valid only because one side has ended. */
  readonly #checkEnd = (error: unknown): void => {
    const ended = this.ending !== undefined || this.peer?.ending !== undefined;
    if (!ended || !K4netError.is(error)) this.#violations.add(`${this.name}: ${describe(error)}`);
  };
}

const leafBehaviour: Behaviour = { kind: 'return', turns: 0, other: 'a' };
/** The longest message of a plan, with its fixed overhead. */
const longest = 20_000 + 100;

function boom(): Error {
  return Object.assign(new Error('a callback of the model throws'), { code: 'BOOM' });
}

function stableNamesOf({ callbacks, steps }: QueueSidePlan): ReadonlySet<string> {
  const names = new Set([...callbacks.map(({ name }) => name), 'leaf', 'sink']);
  for (const step of steps) {
    if (step.kind === 'remove') names.delete(step.name);
    if (step.kind === 'register') names.delete(step.callback.name);
  }
  const registered = steps.map((step) => (step.kind === 'register' ? [step.callback] : [])).flat();
  for (const { behaviour } of [...callbacks, ...registered]) {
    if (behaviour.kind === 'change') names.delete(behaviour.other);
  }
  return names;
}
