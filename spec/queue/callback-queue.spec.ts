import PQueue from 'p-queue';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallbackQueue, CallbackQueues, type Task } from '../../lib/queue/callback-queue.js';
import { Deferred } from '../../lib/util/wait.js';
import { Random } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { watch } from '../support/sockets.js';

interface Job extends Task {
  readonly name: string;
  /** The end of an asynchronous task. */
  readonly gate?: Deferred<void>;
}

const sync = (name: string, priority: number = 0): Job => ({ name, priority, begun: false });
const gated = (name: string, priority: number = 0): Job & { gate: Deferred<void> } => ({
  name,
  priority,
  begun: false,
  gate: new Deferred<void>(),
});

/** A queue that records which tasks start. */
function open(concurrency: number, mayStart: (job: Job) => boolean = () => true) {
  const begun: string[] = [];
  let jobs = 0;
  const queue = new CallbackQueue<Job>(concurrency, {
    run: ({ name, gate }) => {
      begun.push(name);
      return gate?.promise.then(() => undefined);
    },
    mayStart,
    onProgress: () => (jobs += 1),
  });
  const push = (...tasks: Job[]): void => {
    for (const task of tasks) queue.push(task);
  };
  return { queue, push, begun, jobs: () => jobs };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a callback queue', () => {
  it('runs waiting tasks in order before start returns', () => {
    const { queue, push, begun, jobs } = open(1);
    push(...['a', 'b', 'c'].map((name) => sync(name)));
    expect(begun).toEqual([]);
    queue.start();
    expect(begun).toEqual(['a', 'b', 'c']);
    expect(jobs()).toBe(1);
  });

  it('makes one p-queue job of a run of synchronous tasks, which ends at the first asynchronous task', async () => {
    const add = vi.spyOn(PQueue.prototype, 'add');
    const { queue, push, begun } = open(1);
    const wait = gated('wait');
    for (let i = 0; i < 100; i += 1) push(sync(`${i}`));
    push(wait);
    for (let i = 0; i < 100; i += 1) push(sync(`late ${i}`));
    queue.start();
    expect(begun.length).toBe(101);
    // The rest is one more job, which waits.
    expect(add).toHaveBeenCalledTimes(2);
    await turns(2);
    expect(begun.length).toBe(101);
    wait.gate.resolve();
    await queue.idle();
    expect(begun.length).toBe(201);
    expect(add).toHaveBeenCalledTimes(2);
  });

  it.each([1, 2, 7])('keeps %d tasks in flight and starts them in order', async (concurrency) => {
    const { queue, push, begun } = open(concurrency);
    const jobs = Array.from({ length: 20 }, (_, i) => gated(`${i}`));
    push(...jobs);
    queue.start();
    for (const [i, { gate }] of jobs.entries()) {
      expect(begun).toEqual(jobs.slice(0, i + concurrency).map(({ name }) => name));
      gate.resolve();
      await turns();
    }
    expect(queue.free).toBe(true);
  });

  it('starts higher priorities first among waiting tasks, in order within a priority', async () => {
    const { queue, push, begun } = open(1);
    const first = gated('first', -5);
    push(first);
    queue.start();
    push(sync('a'), sync('low', -1), sync('high', 3), sync('b'), sync('higher', 4), sync('high 2', 3));
    queue.start();
    expect(begun).toEqual(['first']);
    first.gate.resolve();
    await queue.idle();
    expect(begun).toEqual(['first', 'higher', 'high', 'high 2', 'a', 'b', 'low']);
  });

  it('starts a later task of higher priority before earlier ones that still wait', async () => {
    const { queue, push, begun } = open(1);
    const jobs = [gated('1'), gated('2'), gated('3')];
    push(...jobs);
    queue.start();
    push(sync('urgent', 1));
    queue.start();
    for (const { gate } of jobs) {
      gate.resolve();
      await turns();
    }
    expect(begun).toEqual(['1', 'urgent', '2', '3']);
  });

  it('orders any mixture of tasks like a stable sort by priority', async () => {
    const random = new Random(3);
    for (let round = 0; round < 30; round += 1) {
      const { queue, push, begun } = open(1);
      const blocker = gated('blocker', 100);
      push(blocker);
      queue.start();
      const jobs = Array.from({ length: 40 }, (_, i) => {
        const job = random.below(2) === 0 ? sync(`${i}`, random.below(4)) : gated(`${i}`, random.below(4));
        job.gate?.resolve();
        return job;
      });
      for (const job of jobs) {
        push(job);
        if (random.below(3) === 0) queue.start();
      }
      queue.start();
      blocker.gate.resolve();
      await queue.idle();
      const sorted = [...jobs].sort((one, other) => other.priority - one.priority);
      expect(begun.slice(1)).toEqual(sorted.map(({ name }) => name));
    }
  });

  it('starts 10,000 tasks at once without a deep stack', async () => {
    const count = 10_000;
    const { queue, push, begun } = open(count);
    const gate = new Deferred<void>();
    for (let i = 0; i < count + 1; i += 1) push({ name: `${i}`, priority: 0, begun: false, gate });
    queue.start();
    expect(begun.length).toBe(count);
    gate.resolve();
    await queue.idle();
    expect(begun.length).toBe(count + 1);
  });

  it('can get a task and be started inside a task, 20,000 times in a row', async () => {
    const begun: number[] = [];
    const queue: CallbackQueue<Task & { id: number }> = new CallbackQueue<Task & { id: number }>(1, {
      run: ({ id }) => {
        begun.push(id);
        if (id < 20_000) {
          queue.push({ priority: 0, begun: false, id: id + 1 });
          queue.start();
        }
        return undefined;
      },
      mayStart: () => true,
      onProgress: () => undefined,
    });
    queue.push({ priority: 0, begun: false, id: 1 });
    queue.start();
    await queue.idle();
    expect(begun.length).toBe(20_000);
    expect(begun.at(-1)).toBe(20_000);
    expect(queue.free).toBe(true);
  });

  it('drops the waiting tasks on clear and accepts tasks afterwards', async () => {
    const { queue, push, begun } = open(1);
    const running = gated('running');
    push(running);
    queue.start();
    push(sync('dropped'), sync('dropped too', 9));
    queue.start();
    queue.clear();
    expect(queue.free).toBe(false);
    push(sync('new'));
    queue.start();
    running.gate.resolve();
    await queue.idle();
    expect(begun).toEqual(['running', 'new']);
    expect(queue.free).toBe(true);
  });

  it('blocks a priority level at a task that may not start, until the next start', async () => {
    let held = 'b';
    const { queue, push, begun } = open(2, ({ name }) => name !== held);
    push(...['a', 'b', 'c'].map((name) => sync(name)), sync('urgent', 1));
    queue.start();
    await turns();
    expect(begun).toEqual(['urgent', 'a']);
    expect(queue.free).toBe(false);
    const idle = watch(queue.idle());
    await turns();
    expect(idle.state).toBe('pending');
    held = '';
    queue.start();
    await turns();
    expect(begun).toEqual(['urgent', 'a', 'b', 'c']);
    expect(idle.state).toBe('resolved');
  });

  it('is idle after its blocked tasks are dropped', async () => {
    const { queue, push } = open(1, () => false);
    push(sync('never'));
    queue.start();
    const idle = watch(queue.idle());
    await turns();
    expect(idle.state).toBe('pending');
    queue.clear();
    await turns();
    expect(idle.state).toBe('resolved');
  });

  it('is idle only when all running tasks have ended', async () => {
    const { queue, push } = open(2);
    const [one, other] = [gated('one'), gated('other')];
    push(one, other);
    queue.start();
    const idle = watch(queue.idle());
    one.gate.resolve();
    await turns(3);
    expect(idle.state).toBe('pending');
    expect(queue.free).toBe(false);
    other.gate.resolve();
    await turns(3);
    expect(idle.state).toBe('resolved');
    expect(queue.free).toBe(true);
  });

  it('removes skipped tasks from memory once they are the majority of the waiting ones', () => {
    const { queue, push, begun } = open(1);
    push(gated('running'));
    queue.start();
    const skipped = Array.from({ length: 200 }, (_, i) => sync(`${i}`));
    push(...skipped, sync('kept'));
    for (const task of skipped) {
      task.begun = true;
      queue.skip(task);
    }
    queue.clear();
    expect(begun).toEqual(['running']);
    expect(queue.free).toBe(false);
  });
});

describe('a task that runs on arrival, between enter and leave', () => {
  it('needs no p-queue, neither synchronous nor asynchronous', async () => {
    const add = vi.spyOn(PQueue.prototype, 'add');
    const { queue } = open(1);
    queue.enter();
    expect(queue.free).toBe(false);
    queue.leave(undefined);
    expect(queue.free).toBe(true);
    const { gate } = gated('asynchronous');
    queue.enter();
    queue.leave(gate.promise);
    expect(queue.free).toBe(false);
    gate.resolve();
    await turns();
    expect(queue.free).toBe(true);
    expect(add).not.toHaveBeenCalled();
  });

  it.each([
    [1, []],
    [2, ['next']],
  ])('counts in a concurrency of %d for tasks that arrive while it runs', async (concurrency, started) => {
    const { queue, push, begun } = open(concurrency);
    const { gate } = gated('asynchronous');
    queue.enter();
    queue.leave(gate.promise);
    push(gated('next'), gated('last'));
    queue.start();
    await turns();
    expect(begun).toEqual(started);
    gate.resolve();
    await turns();
    expect(begun).toEqual([...started, started.length === 0 ? 'next' : 'last']);
  });

  it('keeps the queue from idle until it ends', async () => {
    const { queue } = open(1);
    const { gate } = gated('asynchronous');
    queue.enter();
    const idle = watch(queue.idle());
    queue.leave(gate.promise);
    await turns(2);
    expect(idle.state).toBe('pending');
    gate.resolve();
    await turns(2);
    expect(idle.state).toBe('resolved');
  });

  it('keeps other tasks waiting while it is synchronous', () => {
    const { queue, push, begun } = open(2);
    queue.enter();
    push(sync('a'));
    queue.start();
    expect(begun).toEqual([]);
    queue.leave(undefined);
    queue.start();
    expect(begun).toEqual(['a']);
  });
});

describe('the callback queues of a socket', () => {
  it('forget a retired queue when it is free, and start tasks that it gets later', async () => {
    const begun: string[] = [];
    const queues = new CallbackQueues<Job>({
      run: ({ name, gate }) => {
        begun.push(name);
        return gate?.promise;
      },
      mayStart: () => true,
      onProgress: () => undefined,
    });
    const queue = queues.add(1);
    const running = gated('running');
    queue.push(running);
    queues.start();
    queues.retire(queue);
    queue.push(sync('waiting'));
    const idle = watch(queues.idle());
    running.gate.resolve();
    await turns(2);
    queues.start();
    await turns(2);
    expect(idle.state).toBe('resolved');
    expect(begun).toEqual(['running', 'waiting']);
    queue.push(sync('late'));
    queues.start();
    expect(begun).toEqual(['running', 'waiting']);
    queues.startAlso([queue]);
    expect(begun).toEqual(['running', 'waiting', 'late']);
  });
});
