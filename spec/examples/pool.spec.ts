import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { drawTile, tilesOf } from '../../docs/examples/pool/mandelbrot.js';
import { messages as tiles } from '../../docs/examples/pool/messages.js';
import { Pool } from '../../docs/examples/pool/pool.js';
import { needDist } from '../support/dist.js';
import { useFixture } from '../support/fixture.js';
import { until } from '../support/sockets.js';
import { messages } from './pool-messages.js';

// The workers import the package from dist.
needDist();

const fixture = useFixture();

interface PoolOptions {
  readonly size?: number;
  readonly inFlight?: number;
}

/** A pool whose workers the fixture ends, and the number of workers that it has started. */
function newPool({ size = 2, ...options }: PoolOptions = {}): { pool: Pool; started: () => number } {
  let count = 0;
  const start = (): Worker => {
    count += 1;
    const worker = new Worker(new URL('pool-worker.js', import.meta.url));
    fixture.onCleanup(() => worker.terminate());
    return worker;
  };
  return { pool: new Pool(start, messages, { size, ...options }), started: () => count };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const crashed = (name: string): RegExp => new RegExp(`^worker \\d+ crashed while it ran '${name}'$`);

describe('a pool of workers', () => {
  it('runs 1,000 tasks, each once, and gives each promise its own result', async () => {
    const { pool, started } = newPool();
    const results = await Promise.all(numbers(1000).map((each) => pool.run('echo', each)));
    expect(results).toEqual(numbers(1000));
    expect(started()).toBe(2);
    expect(pool.workers.reduce((sum, { done }) => sum + done, 0)).toBe(1000);
    expect(pool.workers.every(({ inFlight }) => inFlight === 0)).toBe(true);
    await pool.close();
    expect(pool.workers).toEqual([]);
  });

  it('starts no worker before the first task, and no more than it has tasks', async () => {
    const { pool, started } = newPool({ size: 4 });
    expect(started()).toBe(0);
    await pool.run('echo', 1);
    await pool.run('echo', 2);
    expect(started()).toBe(1);
    await pool.close();
  });

  it('takes the values of an endless iterable only as its workers have room', async () => {
    const { pool } = newPool({ size: 2, inFlight: 3 });
    let taken = 0;
    function* values(): Generator<number> {
      for (;;) yield taken++;
    }
    const seen: number[] = [];
    for await (const { value, result } of pool.map('echo', values())) {
      expect(result).toBe(value);
      expect(taken - seen.length).toBeLessThanOrEqual(6);
      seen.push(value as number);
      if (seen.length === 200) break;
    }
    expect(new Set(seen).size).toBe(200);
    await pool.close();
  });

  it('passes on the error of a task and keeps its worker', async () => {
    const { pool, started } = newPool({ size: 1 });
    await expect(pool.run('fail')).rejects.toMatchObject({
      code: 'K4NET_REMOTE',
      message: expect.stringContaining('not today') as unknown,
    });
    await expect(pool.run('echo', -1)).rejects.toThrow(RangeError);
    expect(await pool.run('echo', 5)).toBe(5);
    expect(started()).toBe(1);
    await pool.close();
  });

  it('carries a task of several megabytes, which is more than a port may hold', async () => {
    const { pool } = newPool({ size: 1 });
    const bytes = new Uint8Array(3_000_000).fill(1);
    const sums = await Promise.all([pool.run('sum', bytes), pool.run('sum', bytes)]);
    expect(sums).toEqual([3_000_000, 3_000_000]);
    await pool.close();
  });

  it('draws with its workers the same picture as without them', async () => {
    const pool = new Pool(
      () => new Worker(new URL('../../docs/examples/pool/worker.js', import.meta.url)),
      tiles,
      { size: 2 },
    );
    fixture.onCleanup(() => pool.close());
    const view = { x: -0.65, y: 0, span: 3, depth: 200 };
    const values = tilesOf(view, { width: 100, height: 70, tile: 32 }).map(({ argument }) => argument);
    expect(values.reduce((sum, { width, height }) => sum + width * height, 0)).toBe(7000);
    let drawn = 0;
    for await (const { value, result } of pool.map('tile', values)) {
      expect(result).toEqual(drawTile(value as (typeof values)[number]));
      drawn += 1;
    }
    expect(drawn).toBe(values.length);
  });
});

describe('a worker that falls behind', () => {
  it('gets no more than its share in flight, while the others do the rest', async () => {
    const { pool, started } = newPool({ size: 2, inFlight: 2 });
    const stop = new AbortController();
    const stuck = pool.run('hang', undefined, { signal: stop.signal }).catch((error: unknown) => error);
    let done = 0;
    const all = numbers(1000).map(async (each) => {
      await pool.run('echo', each);
      done += 1;
    });
    // One task may wait behind the one that hangs.
    await until(() => done >= 999);
    expect(done).toBe(999);
    expect(pool.waiting).toBe(0);
    expect(pool.workers.map(({ inFlight }) => inFlight)).toEqual([2, 0]);
    stop.abort('enough');
    expect(await stuck).toBe('enough');
    await Promise.all(all);
    expect(started()).toBe(2);
    await pool.close();
  });
});

describe('a worker that crashes', () => {
  it('fails the task that it ran, and the tasks behind it run in another worker', async () => {
    const { pool, started } = newPool({ size: 1, inFlight: 10 });
    const failed = pool.run('crash').catch((error: unknown) => error);
    const others = numbers(100).map((each) => pool.run('echo', each));
    expect(await failed).toMatchObject({
      code: 'WORKER_CRASHED',
      message: expect.stringMatching(crashed('crash')) as unknown,
      cause: { message: expect.stringContaining('crashed on request') as unknown },
    });
    expect(await Promise.all(others)).toEqual(numbers(100));
    expect(started()).toBe(2);
    await pool.close();
  });

  it('is replaced as often as its task may be retried, and then the task fails', async () => {
    const { pool, started } = newPool({ size: 1 });
    const failed = pool.run('crash', undefined, { retries: 2 });
    const behind = pool.run('echo', 7);
    await expect(failed).rejects.toMatchObject({ code: 'WORKER_CRASHED' });
    expect(await behind).toBe(7);
    // The first one, two for the retries, and one for the task behind.
    expect(started()).toBe(4);
    await pool.close();
  });

  it('is not started again for ever if its script is missing', async () => {
    let started = 0;
    const start = (): Worker => {
      started += 1;
      return new Worker(new URL('missing.js', import.meta.url));
    };
    const pool = new Pool(start, messages, { size: 1 });
    const outcomes = await Promise.allSettled(numbers(5).map((each) => pool.run('echo', each)));
    expect(outcomes.map(({ status }) => status)).toEqual(numbers(5).map(() => 'rejected'));
    expect(started).toBe(5);
    await pool.close();
  });

  it('that had no task is forgotten', async () => {
    const workers: Worker[] = [];
    const start = (): Worker => {
      const worker = new Worker(new URL('pool-worker.js', import.meta.url));
      workers.push(worker);
      return worker;
    };
    const pool = new Pool(start, messages, { size: 1 });
    await pool.run('echo', 1);
    await workers[0]!.terminate();
    await until(() => pool.workers.length === 0);
    expect(await pool.run('echo', 2)).toBe(2);
    await pool.close();
  });
});

describe('a cancelled task', () => {
  it('that has not begun never runs', async () => {
    const { pool } = newPool({ size: 1, inFlight: 1 });
    const stop = new AbortController();
    const first = pool.run('echo', 1);
    const cancelled = pool.run('echo', 2, { signal: stop.signal });
    stop.abort(new Error('changed my mind'));
    await expect(cancelled).rejects.toThrow('changed my mind');
    expect(await first).toBe(1);
    expect(await pool.run('begun')).toBe(1);
    await expect(pool.run('echo', 3, { signal: stop.signal })).rejects.toThrow('changed my mind');
    await pool.close();
  });

  it('that computes without end is stopped, and its worker replaced', async () => {
    const { pool, started } = newPool({ size: 1, inFlight: 3 });
    const limited = pool.run('hang', undefined, { signal: AbortSignal.timeout(50) });
    const behind = pool.run('echo', 4);
    await expect(limited).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(await behind).toBe(4);
    expect(started()).toBe(2);
    await pool.close();
  });

  it('that waits in a worker is stopped when it begins', async () => {
    const { pool, started } = newPool({ size: 1, inFlight: 3 });
    const stop = new AbortController();
    const first = pool.run('echo', 1);
    const second = pool.run('hang', undefined, { signal: stop.signal });
    const third = pool.run('echo', 3);
    stop.abort('no');
    await expect(second).rejects.toBe('no');
    expect([await first, await third, started()]).toEqual([1, 3, 2]);
    await pool.close();
  });

  it('leaves nothing behind: a loop that ends early cancels the rest', async () => {
    const { pool } = newPool({ size: 2 });
    for await (const { result } of pool.map('echo', numbers(1000))) if (result !== undefined) break;
    expect(pool.waiting).toBe(0);
    await pool.close();
    await expect(pool.run('echo', 1)).rejects.toThrow('the pool is closed');
  });
});

describe('closing a pool', () => {
  it('waits for the tasks that it has accepted', async () => {
    const { pool } = newPool({ size: 1 });
    const results = numbers(50).map((each) => pool.run('echo', each));
    await pool.close();
    expect(await Promise.all(results)).toEqual(numbers(50));
  });
});
