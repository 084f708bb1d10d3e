import fc from 'fast-check';
import { beforeAll, it } from 'vitest';
import type { BinaryReader } from '../../../lib/binary/reader.js';
import { TimeoutError } from '../../../lib/errors.js';
import type { QueueSocket } from '../../../lib/queue/queue-socket.js';
import { Fixture, useFixture, tcpKinds, type QueuePair, type SocketKind } from '../../support/fixture.js';
import { turns } from '../../support/recorder.js';
import { until } from '../../support/sockets.js';
import {
  Abort,
  Crashes,
  describe,
  handles,
  modelTimeout,
  noneLeft,
  PendingOperations,
  runCases,
  runsOf,
  Violations,
  withinDeadline,
} from './cases.js';

/** A sequence of items: how many, how large, where it throws, and every how many items it waits. */
interface Sequence {
  readonly count: number;
  readonly size: number;
  readonly throwsAt: number;
  readonly pause: number;
}

interface Reading {
  /** Items after which the loop is left. */
  readonly take: number;
  readonly pause: number;
}

interface StreamPlan {
  readonly fromFar: boolean;
  readonly delay: number;
  readonly body: Sequence | undefined;
  /** How the callback reads the body; undefined if it does not. */
  readonly reads: Reading | undefined;
  readonly items: Sequence;
  /** How the caller reads the items; undefined for `call` with a body. */
  readonly takes: Reading | undefined;
  /** Turns after which the caller aborts. */
  readonly abort: number | undefined;
}

interface CasePlan {
  readonly streams: readonly StreamPlan[];
  readonly window: number;
  readonly maxStreams: number;
  readonly ending: 'settle' | 'cut' | 'close' | 'drain';
  readonly endAfter: number;
}

const never = 1_000_000;
const often = fc.integer({ min: 0, max: 40 });
const limit = fc.option(often, { nil: never, freq: 3 });
const pause = fc.constantFrom(never, never, 1, 3, 10);
const sequence = fc.record({ count: often, size: fc.integer({ min: 4, max: 512 }), throwsAt: limit, pause });
const reading = fc.record({ take: limit, pause });
const streamPlan: fc.Arbitrary<StreamPlan> = fc.record({
  fromFar: fc.boolean(),
  delay: fc.integer({ min: 0, max: 5 }),
  body: fc.option(sequence, { nil: undefined }),
  reads: fc.option(reading, { nil: undefined, freq: 3 }),
  items: sequence,
  takes: fc.option(reading, { nil: undefined, freq: 3 }),
  abort: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined, freq: 3 }),
});
const casePlan: fc.Arbitrary<CasePlan> = fc.record({
  streams: fc.array(streamPlan, { minLength: 1, maxLength: 8 }),
  window: fc.constantFrom(1024, 1500, 8192),
  maxStreams: fc.constantFrom(2, 64),
  ending: fc.constantFrom('settle', 'settle', 'cut', 'close', 'drain'),
  endAfter: fc.integer({ min: 0, max: 15 }),
});

class Thrown extends Error {}

/** One case: two sides, their streams, and what has become of them. */
class StreamCase {
  readonly #plan: CasePlan;
  readonly #violations = new Violations();
  readonly #pending = new PendingOperations();
  readonly #pair: QueuePair;
  /** Generators that have started and not ended. */
  #generators = 0;

  constructor(plan: CasePlan, pair: QueuePair) {
    this.#plan = plan;
    this.#pair = pair;
  }

  async run(): Promise<void> {
    const { near, far, cut } = this.#pair;
    const crashes = new Crashes();
    this.#plan.streams.forEach((plan, index) => {
      this.#register(plan.fromFar ? near : far, plan, `s${index}`);
    });
    near.start();
    far.start();
    this.#plan.streams.forEach((plan, index) => {
      void this.#pending.watch(`stream ${index}`, this.#call(plan.fromFar ? far : near, plan, `s${index}`));
    });
    const settled = this.#pending.settled();
    if (this.#plan.ending !== 'settle') {
      await turns(this.#plan.endAfter);
      if (this.#plan.ending === 'cut') cut();
      else await near[this.#plan.ending]();
    }
    await withinDeadline(settled, () => this.#state());
    const idle = (): boolean =>
      [near, far].every((queue) => {
        const { streams, callsInFlight, requestsInFlight, requestQueue } = queue.stats();
        return (
          streams + callsInFlight + requestsInFlight === 0 &&
          (this.#plan.ending !== 'settle' || requestQueue.messages === 0)
        );
      });
    await withinDeadline(
      until(() => this.#generators === 0 && idle()),
      () => this.#state(),
    );
    if (this.#plan.ending === 'settle' && near.readyState !== 'open')
      this.#violations.add('the socket has ended');
    await Promise.all([near.close(), far.close()]);
    await crashes.end(this.#violations);
    this.#violations.check(() => this.#state());
  }

  #state(): string {
    const { near, far } = this.#pair;
    const side = (queue: QueueSocket): string =>
      JSON.stringify({ state: queue.readyState, ...queue.stats() });
    return `pending: ${this.#pending.toString()}; generators: ${this.#generators}\nnear ${side(near)}\nfar ${side(far)}`;
  }

  async *#sequence({
    count,
    size,
    throwsAt,
    pause: every,
  }: Sequence): AsyncGenerator<Uint8Array, string, undefined> {
    this.#generators += 1;
    try {
      for (let n = 0; n < count; n += 1) {
        if (n === throwsAt) throw new Thrown('thrown');
        if (n % every === every - 1) await turns();
        const item = new Uint8Array(size).fill(n);
        new DataView(item.buffer).setUint32(0, n);
        yield item;
      }
      return String(count);
    } finally {
      this.#generators -= 1;
    }
  }

  #register(queue: QueueSocket, plan: StreamPlan, name: string): void {
    const readBody = async (body: AsyncIterable<BinaryReader>): Promise<void> => {
      if (plan.reads) await this.#read(`the body of ${name}`, body, plan.reads, plan.body);
    };
    const { items } = plan;
    const sequences = this.#sequence.bind(this);
    queue.registerCallback(
      name,
      plan.takes
        ? async function* (_, { body }) {
            const reading = readBody(body);
            reading.catch(() => undefined);
            const result = yield* sequences(items);
            await reading;
            return result;
          }
        : async (_, { body }) => {
            await readBody(body);
            if (items.throwsAt < items.count) throw new Thrown('thrown');
            return String(items.count);
          },
    );
  }

  /** Reads items and checks that they are a prefix in order. Returns whether it has read all. */
  async #read(
    what: string,
    items: AsyncIterable<BinaryReader>,
    { take, pause: every }: Reading,
    sent: Sequence | undefined,
  ): Promise<boolean> {
    let count = 0;
    if (take === 0) return false;
    for await (const item of items) {
      const size = item.remaining;
      const number =
        item.readUbyte() * 2 ** 24 + item.readUbyte() * 2 ** 16 + item.readUbyte() * 256 + item.readUbyte();
      if (number !== count || size !== sent?.size)
        this.#violations.add(`${what} has item ${number} as number ${count}`);
      count += 1;
      if (count === take) return false;
      if (count % every === every - 1) await turns();
    }
    const whole = sent?.count ?? 0;
    if (count !== Math.min(whole, sent?.throwsAt ?? whole) || (sent && sent.throwsAt < whole))
      this.#violations.add(`${what} is complete after ${count} of ${whole} items`);
    return true;
  }

  async #call(queue: QueueSocket, plan: StreamPlan, name: string): Promise<void> {
    await turns(plan.delay);
    const abort = new AbortController();
    const body = plan.body && this.#sequence(plan.body);
    const options = { signal: abort.signal, ...(body && { body }) };
    if (plan.abort !== undefined)
      void turns(plan.abort).then(() => {
        abort.abort(new Abort());
      });
    try {
      if (!plan.takes) {
        this.#checkAnswer(name, plan, await queue.call(name, '', options));
        return;
      }
      const stream = queue.stream(name, '', options);
      try {
        if (await this.#read(`the answer of ${name}`, stream, plan.takes, plan.items)) {
          this.#checkAnswer(name, plan, await stream.answer);
          return;
        }
      } finally {
        await stream.return();
        await stream.answer.catch(() => undefined);
        if ((await stream.next()).done !== true) this.#violations.add(`${name} has items after its end`);
      }
    } catch (error) {
      this.#checkError(name, plan, error);
    }
  }

  #checkAnswer(name: string, { items }: StreamPlan, answer: BinaryReader): void {
    const text = new TextDecoder().decode(answer.read());
    if (text !== String(items.count)) this.#violations.add(`${name} has the answer ${text}`);
    if (items.throwsAt < items.count) this.#violations.add(`${name} has an answer of a callback that throws`);
  }

  #checkError(name: string, plan: StreamPlan, error: unknown): void {
    if (error instanceof Abort && plan.abort !== undefined) return;
    if (error instanceof Thrown && plan.body && plan.body.throwsAt < plan.body.count) return;
    const { code = '', remoteCode } = error as { code?: string; remoteCode?: string };
    const busy = code === 'K4NET_BUSY' || remoteCode === 'K4NET_BUSY';
    if (busy && this.#plan.maxStreams < this.#plan.streams.length) return;
    if (remoteCode === '' && plan.items.throwsAt < plan.items.count) return;
    const ended = this.#plan.ending !== 'settle';
    if (ended && (remoteCode ?? code).startsWith('K4NET_') && !(error instanceof TimeoutError)) return;
    this.#violations.add(`${name} fails with ${describe(error)}`);
  }
}

const kinds: readonly SocketKind[] = ['plain in memory', ...tcpKinds];
const fixtures = new Map(kinds.map((kind) => [kind, useFixture(kind)]));
let before: ReadonlyMap<string, number>;

beforeAll(() => {
  before = handles();
});

it.each(kinds)(
  'random streaming calls, %s: items are a prefix in order, each side ends once, and every generator returns',
  async (kind) => {
    const fixture = fixtures.get(kind) ?? new Fixture(kind);
    await runCases(casePlan, runsOf(40, kinds.length), async (plan) => {
      const options = { streamWindow: plan.window, maxStreams: plan.maxStreams, onError: () => undefined };
      await new StreamCase(plan, await fixture.queuePair({ near: options, far: options })).run();
    });
  },
  modelTimeout,
);

it('random streaming calls leave no handle and no timer', async () => {
  await until(() => noneLeft(before));
});
