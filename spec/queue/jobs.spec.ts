import { describe, expect, it } from 'vitest';
import * as node from '../../lib/queue/jobs.js';
import * as web from '../../lib/queue/web-jobs.js';
import { Deferred } from '../../lib/util/wait.js';
import { Random } from '../support/random.js';
import { turns } from '../support/recorder.js';

describe.each([
  ['Node', node],
  ['browsers', web],
])('the job queue in the form for %s', (_form, { createJobs }) => {
  it('starts jobs before add returns while the concurrency has room, higher priorities first', async () => {
    const jobs = createJobs(2);
    const started: string[] = [];
    const gates = new Map<string, Deferred<void>>();
    const add = (name: string, priority: number): void => {
      const gate = new Deferred<void>();
      gates.set(name, gate);
      void jobs.add(() => (started.push(name), gate.promise), { priority });
    };
    add('a', 0);
    add('b', 0);
    add('c', 0);
    add('d', 1);
    add('e', 1);
    add('f', -1);
    expect(started).toEqual(['a', 'b']);
    expect([jobs.size, jobs.pending]).toEqual([4, 2]);
    const idle = jobs.onIdle();
    for (const name of ['b', 'a', 'd', 'e', 'c', 'f']) {
      gates.get(name)!.resolve();
      await turns();
    }
    expect(started).toEqual(['a', 'b', 'd', 'e', 'c', 'f']);
    await idle;
    expect([jobs.size, jobs.pending]).toEqual([0, 0]);
    await jobs.onIdle();
  });

  it('accepts a job that another job adds while it starts', async () => {
    const jobs = createJobs(1);
    const done: number[] = [];
    const job = (depth: number) => (): PromiseLike<void> => {
      if (depth < 3) void jobs.add(job(depth + 1), {});
      return Promise.resolve().then(() => void done.push(depth));
    };
    void jobs.add(job(0), {});
    await jobs.onIdle();
    expect(done).toEqual([0, 1, 2, 3]);
  });
});

it('both forms of the job queue start random jobs in the same order', async () => {
  const random = new Random(11);
  for (let round = 0; round < 20; round += 1) {
    const concurrency = 1 + random.below(3);
    const plan = Array.from({ length: 30 }, () => ({ priority: random.below(3), turns: random.below(3) }));
    const orders = await Promise.all(
      [node, web].map(async ({ createJobs }) => {
        const jobs = createJobs(concurrency);
        const order: number[] = [];
        for (const [index, { priority, turns: count }] of plan.entries()) {
          const run = async (): Promise<void> => {
            order.push(index);
            await turns(count * 3);
          };
          void jobs.add(run, { priority });
        }
        await jobs.onIdle();
        return order;
      }),
    );
    expect(orders[1]).toEqual(orders[0]);
  }
});
