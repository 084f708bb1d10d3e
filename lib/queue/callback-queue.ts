import { createJobs } from '#jobs';
import { Fifo } from '../util/fifo.js';
import { queueOptions } from '../util/options.js';
import { Deferred } from '../util/wait.js';
import type { Jobs } from './jobs.js';

const done: Promise<void> = Promise.resolve();

/** An entry of a callback queue. */
export interface Task {
  /** Higher priorities start first. */
  readonly priority: number;
  /** Whether the task has started or must not start any more. */
  begun: boolean;
}

/** The functions that a callback queue calls for its tasks. */
export interface TaskRunner<T> {
  /** Runs a task. Never throws. Its promise never rejects, and no other task has the same one. */
  run(task: T): PromiseLike<void> | undefined;
  /** Whether a task may start now. If not, its priority level waits until `start`. */
  mayStart(task: T): boolean;
  /** Called when waiting tasks have started. */
  onProgress(): void;
}

interface PriorityLevel<T> {
  readonly priority: number;
  /** The options of its jobs. */
  readonly options: { readonly priority: number };
  readonly tasks: Fifo<T>;
  /** Whether a job for this level waits in the p-queue. */
  scheduled: boolean;
}

/**
 * Runs tasks with a limited concurrency, in order within each priority.
 *
 * The short path: a task that arrives while the queue is `open` runs between `enter` and `leave`,
 * without an entry here. A p-queue is used only when tasks have to wait for the concurrency. One
 * job of the p-queue runs several synchronous tasks. A job ends with the first asynchronous task
 * and waits for it.
 */
export class CallbackQueue<T extends Task> {
  readonly #concurrency: number;
  readonly #runner: TaskRunner<T>;
  #queue: Jobs | undefined;
  /** In descending order of priority. */
  readonly #levels: PriorityLevel<T>[] = [];
  #waiting = 0;
  /** Whether the synchronous part of a task runs, between `enter` and `leave`. */
  #entered = false;
  /** Asynchronous tasks in flight that have no job. */
  #running: Set<PromiseLike<void>> | undefined;
  #starting = false;
  /** Resolves when tasks of a blocked level start or are dropped. */
  #resumed: Deferred<void> | undefined;

  constructor(concurrency: number, runner: TaskRunner<T>) {
    this.#concurrency = concurrency;
    this.#runner = runner;
  }

  /** Whether no task waits or runs. */
  get free(): boolean {
    return this.open && this.#inFlight === 0;
  }

  /** Whether a task may run on arrival: no other task waits, and the concurrency has room. */
  get open(): boolean {
    if (this.#waiting > 0 || this.#entered) return false;
    // Most queues have no task in flight and never had a job.
    if (this.#running && this.#running.size >= this.#concurrency) return false;
    return this.#queue === undefined || this.#noJobs;
  }

  /** A task runs now, without an entry. The queue must be open, and `leave` must follow. */
  enter(): void {
    this.#entered = true;
  }

  /** The task of `enter` has ended, or ends with this promise. */
  leave(pending: PromiseLike<void> | undefined): void {
    this.#entered = false;
    if (pending) this.track(pending);
  }

  /** Counts an asynchronous task that has started elsewhere. Its promise never rejects. */
  track(pending: PromiseLike<void>): void {
    this.#running ??= new Set();
    const running = this.#running.add(pending);
    const end = (): void => {
      running.delete(pending);
    };
    pending.then(end, end);
  }

  /** Adds a task, which waits for `start`. */
  push(task: T): void {
    this.#levelOf(task.priority).tasks.push(task);
    this.#waiting += 1;
  }

  /** A waiting task has set `begun`: it will not run. */
  skip(task: T): void {
    const { tasks } = this.#levelOf(task.priority);
    this.#waiting -= tasks.obsolete(({ begun }) => begun);
  }

  /** Starts waiting tasks within the concurrency, before it returns. */
  start(): void {
    // A job that ends inside the loop calls this method again. That call returns here and the loop
    // continues, so the stack does not grow.
    if (this.#starting || this.#waiting === 0 || this.#entered) return;
    this.#starting = true;
    // `onProgress` can add tasks.
    while (this.#noJobs && this.#startWithoutJobs()) this.#runner.onProgress();
    if (this.#waiting > 0 && !(this.#noJobs && this.#inFlight < this.#concurrency)) this.#startJobs();
    this.#starting = false;
  }

  /** Resolves when no task waits or runs. */
  async idle(): Promise<void> {
    while (!this.free) {
      this.#makeJobs();
      if (this.#entered) await done;
      else if (this.#noJobs) await (this.#resumed ??= new Deferred()).promise;
      else await this.#queue?.onIdle();
    }
  }

  /** Drops the waiting tasks. */
  clear(): void {
    for (const { tasks } of this.#levels) tasks.clear();
    this.#waiting = 0;
    this.#resume();
  }

  get #inFlight(): number {
    return this.#running?.size ?? 0;
  }

  get #noJobs(): boolean {
    return this.#queue === undefined || this.#queue.size + this.#queue.pending === 0;
  }

  /** Returns whether a task has started. */
  #startWithoutJobs(): boolean {
    let started = false;
    while (this.#inFlight < this.#concurrency) {
      const level = this.#unscheduled();
      if (!level) break;
      const pending = this.#runFirst(level);
      if (pending) this.track(pending);
      started = true;
    }
    if (started) this.#resume();
    return started;
  }

  #startJobs(): void {
    this.#makeJobs();
    for (let level = this.#unscheduled(); level; level = this.#unscheduled()) this.#schedule(level);
  }

  /**
   * Makes a job for each task in flight, so that it counts in the concurrency of the p-queue.
   */
  #makeJobs(): void {
    for (const pending of this.#running ?? []) void this.#jobs().add(() => pending, queueOptions({}));
    this.#running?.clear();
  }

  #jobs(): Jobs {
    this.#queue ??= createJobs(this.#concurrency);
    return this.#queue;
  }

  #levelOf(priority: number): PriorityLevel<T> {
    const at = this.#levels.findIndex((level) => level.priority <= priority);
    const found = this.#levels[at];
    if (found?.priority === priority) return found;
    const options = queueOptions({ priority });
    const level: PriorityLevel<T> = { priority, options, tasks: new Fifo(), scheduled: false };
    this.#levels.splice(at < 0 ? this.#levels.length : at, 0, level);
    return level;
  }

  #unscheduled(): PriorityLevel<T> | undefined {
    return this.#levels.find(({ scheduled, tasks }) => {
      const first = scheduled ? undefined : tasks.peek();
      return first !== undefined && this.#mayStart(first);
    });
  }

  #resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  #schedule(level: PriorityLevel<T>): void {
    level.scheduled = true;
    this.#resume();
    void this.#jobs().add(() => this.#runJob(level), level.options);
  }

  #runJob(level: PriorityLevel<T>): PromiseLike<void> {
    level.scheduled = false;
    let pending: PromiseLike<void> | undefined;
    for (let task = level.tasks.peek(); task && !pending; task = level.tasks.peek()) {
      if (!this.#mayStart(task)) break;
      pending = this.#runFirst(level);
    }
    // Other tasks may use the remaining concurrency.
    if (pending) this.start();
    this.#runner.onProgress();
    return pending ?? done;
  }

  #mayStart(task: T): boolean {
    return task.begun || this.#runner.mayStart(task);
  }

  #runFirst({ tasks }: PriorityLevel<T>): PromiseLike<void> | undefined {
    const task = tasks.shift();
    this.#waiting -= 1;
    return task && !task.begun ? this.#runner.run(task) : undefined;
  }
}

/** The callback queues of one socket. */
export class CallbackQueues<T extends Task> {
  readonly #runner: TaskRunner<T>;
  /** A set, because a loop over it stays valid when a callback adds or removes a queue. */
  readonly #queues = new Set<CallbackQueue<T>>();

  constructor(runner: TaskRunner<T>) {
    this.#runner = runner;
  }

  /** A new queue. */
  add(concurrency: number): CallbackQueue<T> {
    const queue = new CallbackQueue<T>(concurrency, this.#runner);
    this.#queues.add(queue);
    return queue;
  }

  /** Removes a queue as soon as it is free. */
  retire(queue: CallbackQueue<T>): void {
    if (queue.free) {
      this.#queues.delete(queue);
      return;
    }
    void queue.idle().then(() => {
      this.retire(queue);
    });
  }

  /** Starts waiting tasks of all queues. */
  start(): void {
    for (const queue of this.#queues) queue.start();
  }

  /** Starts waiting tasks, including those of queues that were retired before they got tasks. */
  startAlso(queues: Iterable<CallbackQueue<T>>): void {
    const retired = [...queues].filter((queue) => !this.#queues.has(queue));
    for (const queue of retired) this.#queues.add(queue);
    this.start();
    for (const queue of retired) this.retire(queue);
  }

  /** Drops all waiting tasks. */
  clear(): void {
    for (const queue of this.#queues) queue.clear();
  }

  /** Resolves when all queues are free. */
  async idle(): Promise<void> {
    for (;;) {
      const busy = [...this.#queues].filter((queue) => !queue.free);
      if (busy.length === 0) return;
      await Promise.all(busy.map((queue) => queue.idle()));
    }
  }
}
