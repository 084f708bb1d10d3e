import PQueue from 'p-queue';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallbackQueue, type Task } from '../../lib/queue/callback-queue.js';
import { Deferred } from '../../lib/util/wait.js';
import { Random } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { watch } from '../support/sockets.js';

interface Job extends Task {
  readonly name: string;
  /** What has to be waited for; a task without one is done at once. */
  readonly gate?: Deferred<void>;
}

const sync = (name: string, priority: number = 0): Job => ({ name, priority });
const gated = (name: string, priority: number = 0): Job & { gate: Deferred<void> } => ({
  name,
  priority,
  gate: new Deferred<void>(),
});

/** A lane that writes down which tasks begin. */
function open(concurrency: number, mayBegin?: (job: Job) => boolean) {
  const begun: string[] = [];
  let runs = 0;
  const lane = new CallbackQueue<Job>(
    concurrency,
    ({ name, gate }) => {
      begun.push(name);
      return gate?.promise;
    },
    () => (runs += 1),
    mayBegin,
  );
  return { lane, begun, runs: () => runs };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a lane', () => {
  it('performs tasks in their order, before kick returns', () => {
    const { lane, begun, runs } = open(1);
    for (const name of ['a', 'b', 'c']) lane.push(sync(name));
    expect(begun).toEqual([]);
    lane.start();
    expect(begun).toEqual(['a', 'b', 'c']);
    expect(runs()).toBe(1);
  });

  it('makes one job of a run of tasks that are done at once, which ends at the first that is not', async () => {
    const add = vi.spyOn(PQueue.prototype, 'add');
    const { lane, begun } = open(1);
    const wait = gated('wait');
    for (let i = 0; i < 100; i += 1) lane.push(sync(`${i}`));
    lane.push(wait);
    for (let i = 0; i < 100; i += 1) lane.push(sync(`late ${i}`));
    lane.start();
    expect(begun.length).toBe(101);
    // The rest is one more job, which waits.
    expect(add).toHaveBeenCalledTimes(2);
    await turns(2);
    expect(begun.length).toBe(101);
    wait.gate.resolve();
    await lane.idle();
    expect(begun.length).toBe(201);
    expect(add).toHaveBeenCalledTimes(2);
  });

  it.each([1, 2, 7])('has %d under way at a time, and begins them in order', async (concurrency) => {
    const { lane, begun } = open(concurrency);
    const jobs = Array.from({ length: 20 }, (_, i) => gated(`${i}`));
    for (const job of jobs) lane.push(job);
    lane.start();
    for (const [i, { gate }] of jobs.entries()) {
      expect(begun).toEqual(jobs.slice(0, i + concurrency).map(({ name }) => name));
      gate.resolve();
      await turns();
    }
    expect(lane.busy).toBe(false);
  });

  it('takes the higher priority first among what waits, in order within one', async () => {
    const { lane, begun } = open(1);
    const first = gated('first', -5);
    lane.push(first);
    lane.start();
    for (const job of [
      sync('a'),
      sync('low', -1),
      sync('high', 3),
      sync('b'),
      sync('higher', 4),
      sync('high 2', 3),
    ])
      lane.push(job);
    lane.start();
    expect(begun).toEqual(['first']);
    first.gate.resolve();
    await lane.idle();
    expect(begun).toEqual(['first', 'higher', 'high', 'high 2', 'a', 'b', 'low']);
  });

  it('lets a higher priority that comes later pass those that were first', async () => {
    const { lane, begun } = open(1);
    const jobs = [gated('1'), gated('2'), gated('3')];
    for (const job of jobs) lane.push(job);
    lane.start();
    lane.push(sync('urgent', 1));
    lane.start();
    for (const { gate } of jobs) {
      gate.resolve();
      await turns();
    }
    expect(begun).toEqual(['1', 'urgent', '2', '3']);
  });

  it('orders any mixture as a sorted list would', async () => {
    const random = new Random(3);
    for (let round = 0; round < 30; round += 1) {
      const { lane, begun } = open(1);
      const blocker = gated('blocker', 100);
      lane.push(blocker);
      lane.start();
      const jobs = Array.from({ length: 40 }, (_, i) => {
        const job = random.below(2) === 0 ? sync(`${i}`, random.below(4)) : gated(`${i}`, random.below(4));
        job.gate?.resolve();
        return job;
      });
      for (const job of jobs) {
        lane.push(job);
        if (random.below(3) === 0) lane.start();
      }
      lane.start();
      blocker.gate.resolve();
      await lane.idle();
      const sorted = [...jobs].sort((one, other) => other.priority - one.priority);
      expect(begun.slice(1)).toEqual(sorted.map(({ name }) => name));
    }
  });

  it('does not grow the stack, however many may begin at once', async () => {
    const count = 10_000;
    const { lane, begun } = open(count);
    const gate = new Deferred<void>();
    for (let i = 0; i < count + 1; i += 1) lane.push({ name: `${i}`, priority: 0, gate });
    lane.start();
    expect(begun.length).toBe(count);
    gate.resolve();
    await lane.idle();
    expect(begun.length).toBe(count + 1);
  });

  it('may be kicked and given more from inside a task', async () => {
    const begun: number[] = [];
    const lane = new CallbackQueue<Task & { id: number }>(
      1,
      ({ id }) => {
        begun.push(id);
        if (id < 20_000) {
          lane.push({ priority: 0, id: id + 1 });
          lane.start();
        }
        return undefined;
      },
      () => undefined,
    );
    lane.push({ priority: 0, id: 1 });
    lane.start();
    await lane.idle();
    expect(begun.length).toBe(20_000);
    expect(begun.at(-1)).toBe(20_000);
    expect(lane.busy).toBe(false);
  });

  it('drops what has not begun, and goes on afterwards', async () => {
    const { lane, begun } = open(1);
    const running = gated('running');
    lane.push(running);
    lane.start();
    lane.push(sync('dropped'));
    lane.push(sync('dropped too', 9));
    lane.start();
    lane.clear();
    expect(lane.busy).toBe(true);
    lane.push(sync('new'));
    lane.start();
    running.gate.resolve();
    await lane.idle();
    expect(begun).toEqual(['running', 'new']);
    expect(lane.busy).toBe(false);
  });

  it('stands still at a task that may not begin, until it is kicked', async () => {
    let held = 'b';
    const { lane, begun } = open(2, ({ name }) => name !== held);
    for (const name of 'abc') lane.push(sync(name));
    lane.push(sync('urgent', 1));
    lane.start();
    await turns();
    expect(begun).toEqual(['urgent', 'a']);
    expect(lane.busy).toBe(true);
    const idle = watch(lane.idle());
    await turns();
    expect(idle.state).toBe('pending');
    held = '';
    lane.start();
    await turns();
    expect(begun).toEqual(['urgent', 'a', 'b', 'c']);
    expect(idle.state).toBe('resolved');
  });

  it('is idle when what it holds back is dropped', async () => {
    const { lane } = open(1, () => false);
    lane.push(sync('never'));
    lane.start();
    const idle = watch(lane.idle());
    await turns();
    expect(idle.state).toBe('pending');
    lane.clear();
    await turns();
    expect(idle.state).toBe('resolved');
  });

  it('is idle when what runs has ended, and not before', async () => {
    const { lane } = open(2);
    const [one, other] = [gated('one'), gated('other')];
    lane.push(one);
    lane.push(other);
    lane.start();
    let idle = false;
    const waited = lane.idle().then(() => (idle = true));
    one.gate.resolve();
    await turns(3);
    expect(idle).toBe(false);
    expect(lane.busy).toBe(true);
    other.gate.resolve();
    await waited;
    expect(lane.busy).toBe(false);
  });
});
