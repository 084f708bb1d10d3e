import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstWindow, longestWindow } from '../../lib/transport/credit.js';
import { CreditTransport } from '../../lib/transport/credit-transport.js';
import { MemoryCarrier } from '../support/memory-carrier.js';
import { concat, pattern, same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { until } from '../support/sockets.js';

type Side = 'near' | 'far';

/** One step of a plan. Sizes are such that plans often run out of credit. */
type Step = { readonly side: Side } & (
  | { readonly do: 'write'; readonly sizes: readonly number[] }
  | { readonly do: 'pause' | 'resume' | 'end' | 'hand over' | 'wait' }
);

const side = fc.constantFrom<Side>('near', 'far');
const size = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 1, max: 5000 }),
  fc.integer({ min: 60_000, max: 70_000 }),
  fc.integer({ min: 1, max: 700_000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      side,
      do: fc.constant('write' as const),
      sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      side,
      do: fc.constantFrom('pause' as const, 'resume' as const, 'wait' as const, 'wait' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ side, do: fc.constantFrom('end' as const, 'hand over' as const) }) },
);
const plan = fc.array(step, { maxLength: 40 });

/** One end of the connection, and everything that it wrote. */
class End {
  readonly carrier: MemoryCarrier;
  readonly transport: CreditTransport;
  readonly written: Uint8Array[] = [];
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  sink = new RecordingSink();
  paused = false;
  ended = false;
  done = 0;
  writes = 0;

  constructor(carrier: MemoryCarrier) {
    this.carrier = carrier;
    this.transport = new CreditTransport(carrier);
    this.attach();
  }

  attach(): void {
    this.sink = new RecordingSink();
    this.sink.onData = (chunk) => {
      this.received.push(chunk);
      this.receivedBytes += chunk.length;
      return !this.paused;
    };
    this.transport.attach(this.sink);
  }

  write(sizes: readonly number[]): void {
    if (this.ended) return;
    const parts = sizes.map((each) => pattern(each, this.writes));
    this.written.push(...parts);
    this.writes += 1;
    this.transport.write(parts, () => {
      this.done += 1;
    });
  }

  end(): void {
    this.ended = true;
    this.transport.end();
  }

  resume(): void {
    this.paused = false;
    this.transport.resume();
  }
}

/** Two ends over a carrier in memory, and the steps that a plan can do with them. */
class Model {
  readonly near: End;
  readonly far: End;

  constructor() {
    const [near, far] = MemoryCarrier.pair();
    this.near = new End(near);
    this.far = new End(far);
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const each of steps) {
      const end = this[each.side];
      if (each.do === 'write') end.write(each.sizes);
      else if (each.do === 'pause') end.paused = true;
      else if (each.do === 'resume') end.resume();
      else if (each.do === 'end') end.end();
      else if (each.do === 'hand over' && end.sink.closes === 0) end.attach();
      else if (each.do === 'wait') await turns(3);
      this.checkLimits();
    }
  }

  /** No side sends more than it has credit for, and a window bounds what waits at the other side. */
  checkLimits(): void {
    for (const [from, to] of [
      [this.near, this.far],
      [this.far, this.near],
    ] as const) {
      const { sentData } = from.carrier;
      expect(sentData).toBeLessThanOrEqual(firstWindow + to.carrier.granted);
      expect(sentData - to.receivedBytes).toBeLessThanOrEqual(longestWindow);
    }
  }

  closed(): boolean {
    return this.near.sink.closes + this.far.sink.closes === 2;
  }
}

describe('random use of two ends of the credit layer', () => {
  it('delivers all bytes in order within the credit, calls every done, and closes both cleanly', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (steps) => {
        const model = new Model();
        const { near, far } = model;
        await model.run(steps);
        for (const end of [near, far]) {
          end.resume();
          end.end();
        }
        await until(() => {
          model.checkLimits();
          return model.closed();
        });
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          expect(to.sink.cause).toBeUndefined();
          expect(same(concat(to.received), concat(from.written))).toBe(true);
          expect(from.done).toBe(from.writes);
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  }, 60_000);

  it('closes both ends with an error after an abort at any time, and delivers only a beginning', async () => {
    await fc.assert(
      fc.asyncProperty(plan, side, fc.nat(4), async (steps, who, wait) => {
        const model = new Model();
        const { near, far } = model;
        await model.run(steps);
        const inOrder = near.ended && far.ended;
        await turns(wait);
        model[who].transport.abort();
        // A sink that has stopped still gets all data if both ends were sent before.
        near.resume();
        far.resume();
        await until(() => model.closed());
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          if (!inOrder) expect(to.sink.cause?.code).toBe('K4NET_CONNECTION');
          const received = concat(to.received);
          expect(same(received, concat(from.written).subarray(0, received.length))).toBe(true);
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  }, 60_000);
});
