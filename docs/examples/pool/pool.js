// A pool of workers, for pages and for Node. Each task is a typed call over the port of a worker.
import { LockedSocket, QueueSocket } from 'k4net';
import { processors } from './runtime.js';

/** Runs tasks on workers. A worker starts when a task needs it. */
export class Pool {
  /** Called when tasks or workers have changed. */
  onChange = () => {};
  #start;
  #messages;
  #size;
  #inFlight;
  #workers = new Set();
  #lastId = 0;
  /** Tasks that no worker has. */
  #waiting = [];
  /** All tasks that have not ended. */
  #tasks = new Set();
  #closed = false;

  /**
   * @param start - starts a worker, which calls `work` with the same messages.
   * @param messages - the tasks, as typed messages.
   * @param options - `size`: workers, by default as many as processors. `inFlight`: tasks that one
   * worker has at a time, by default 2: one runs, the next one is already there.
   */
  constructor(start, messages, { size = processors, inFlight = 2 } = {}) {
    this.#start = start;
    this.#messages = messages;
    this.#size = size;
    this.#inFlight = inFlight;
  }

  /**
   * The workers that run now, with their numbers, the tasks that they have, and those they have
   * done.
   *
   * @returns {{ id: number, inFlight: number, done: number }[]}
   */
  get workers() {
    return [...this.#workers].map(({ id, tasks, done }) => ({ id, inFlight: tasks.length, done }));
  }

  /** The number of tasks that wait for a worker. */
  get waiting() {
    return this.#waiting.length;
  }

  /**
   * Runs one task.
   *
   * @param {string} name
   * @param {unknown} [value]
   * @param {{ signal?: AbortSignal, retries?: number }} [options] - `signal` cancels the task: the
   * promise rejects with the reason, and a worker that already runs it is replaced. `retries`: how
   * often the task may start again after its worker has crashed, by default 0. Then the promise
   * rejects with the code `WORKER_CRASHED`.
   * @returns {Promise<unknown>}
   */
  run(name, value, options) {
    return this.#add(name, value, options).promise;
  }

  /**
   * Runs a task for each value, and yields `{ value, result, worker }` as they complete. It takes a
   * value when a worker has room for it, so the values may be endless. Leaving the loop cancels the
   * tasks that still run.
   *
   * @param {string} name
   * @param {Iterable<unknown>} values
   * @param {{ signal?: AbortSignal, retries?: number }} [options]
   * @returns {AsyncGenerator<{ value: unknown, result: unknown, worker: number }, void>}
   */
  async *map(name, values, { signal, retries } = {}) {
    const left = new AbortController();
    const either = AbortSignal.any(signal ? [signal, left.signal] : [left.signal]);
    const completed = [];
    let [running, wake] = [0, () => {}];
    const complete = (task) => {
      completed.push(task);
      wake();
    };
    try {
      for (const value of values) {
        const task = this.#add(name, value, { signal: either, retries });
        running += 1;
        task.promise.then(
          (result) => complete({ value, result, worker: task.worker.id }),
          (error) => complete({ error }),
        );
        if (running === this.#size * this.#inFlight) yield await next();
      }
      while (running > 0) yield await next();
    } finally {
      left.abort();
    }

    async function next() {
      if (completed.length === 0) await new Promise((resolve) => (wake = resolve));
      running -= 1;
      const { error, ...task } = completed.shift();
      if (error) throw error;
      return task;
    }
  }

  /** Takes no more tasks, waits for the others, and stops the workers. */
  async close() {
    this.#closed = true;
    await Promise.allSettled([...this.#tasks].map(({ promise }) => promise));
    const workers = [...this.#workers];
    this.#workers.clear();
    await Promise.all(workers.map((worker) => worker.stop()));
    this.onChange();
  }

  #add(name, value, { signal, retries = 0 } = {}) {
    const task = new Task(name, value, retries);
    if (this.#closed) task.reject(new Error('the pool is closed'));
    else if (signal?.aborted) task.reject(signal.reason);
    else {
      const cancel = () => this.#cancel(task, signal.reason);
      signal?.addEventListener('abort', cancel);
      const end = () => {
        signal?.removeEventListener('abort', cancel);
        this.#tasks.delete(task);
      };
      task.promise.then(end, end);
      this.#tasks.add(task);
      this.#waiting.push(task);
      this.#assign();
    }
    return task;
  }

  /** Gives waiting tasks to workers that have room. */
  #assign() {
    while (this.#waiting.length > 0) {
      const worker = this.#workerWithRoom();
      if (!worker) break;
      this.#call(worker, this.#waiting.shift());
    }
    this.onChange();
  }

  #workerWithRoom() {
    const [best] = [...this.#workers].sort((one, other) => one.tasks.length - other.tasks.length);
    if (best?.tasks.length === 0) return best;
    if (this.#workers.size === this.#size) return best.tasks.length < this.#inFlight ? best : undefined;
    this.#lastId += 1;
    const worker = new PoolWorker(this.#lastId, this.#start(), this.#messages);
    this.#workers.add(worker);
    worker.queue.closed.then(({ cause }) => this.#lose(worker, cause));
    return worker;
  }

  async #call(worker, task) {
    task.worker = worker;
    worker.tasks.push(task);
    try {
      const result = await worker.remote.call(task.name, task.value);
      worker.done += 1;
      task.resolve(result);
    } catch (error) {
      if (worker.queue.readyState !== 'open') return this.#lose(worker, error);
      task.reject(error);
    }
    worker.tasks.splice(worker.tasks.indexOf(task), 1);
    if (worker.tasks[0]?.ended)
      this.#lose(worker); // It was cancelled, and begins now.
    else this.#assign();
  }

  #cancel(task, reason) {
    task.reject(reason);
    if (!task.worker) this.#waiting.splice(this.#waiting.indexOf(task), 1);
    // Nothing else can stop code that computes. A task that has not begun needs no new worker yet.
    else if (task.worker.tasks[0] === task) this.#lose(task.worker);
  }

  /**
   * Stops a worker. A worker runs its tasks one at a time, in order. So only the first one has
   * begun, and may have crashed it; the others go back.
   */
  #lose(worker, cause) {
    if (!this.#workers.delete(worker)) return;
    void worker.stop();
    const [first, ...others] = worker.tasks;
    if (first && !first.ended && first.retries === 0) first.reject(crash(first, worker, cause));
    if (first) first.retries -= 1;
    const again = [first, ...others].filter((task) => task && !task.ended);
    for (const task of again) task.worker = undefined;
    this.#waiting.unshift(...again);
    this.#assign();
  }
}

function crash({ name }, { id }, cause) {
  const error = new Error(`worker ${id} crashed while it ran '${name}'`, { cause });
  return Object.assign(error, { code: 'WORKER_CRASHED' });
}

class Task {
  /** The worker that has it, or had it when it ended. */
  worker;
  ended = false;
  promise = new Promise((resolve, reject) => {
    this.resolve = (result) => this.#end(resolve, result);
    this.reject = (error) => this.#end(reject, error);
  });

  constructor(name, value, retries) {
    Object.assign(this, { name, value, retries });
  }

  #end(settle, outcome) {
    this.ended = true;
    settle(outcome);
  }
}

class PoolWorker {
  tasks = [];
  done = 0;
  #worker;

  constructor(id, worker, messages) {
    this.id = id;
    this.#worker = worker;
    // A task may take any time: give it a signal to limit that.
    this.queue = new QueueSocket(new LockedSocket(worker), { callTimeout: Infinity });
    this.remote = this.queue.typed(messages);
    this.queue.start();
  }

  async stop() {
    await Promise.all([this.queue.abort(), this.#worker.terminate()]);
  }
}
