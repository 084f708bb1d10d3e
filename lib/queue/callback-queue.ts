import PQueue from 'p-queue';
import { Fifo } from '../util/fifo.js';
import { queueOptions } from '../util/options.js';
import { Deferred } from '../util/wait.js';

const done: Promise<void> = Promise.resolve();

/** An entry of a callback queue. */
export interface Task {
  /** Higher priorities start first. */
  readonly priority: number;
  /** Whether it has started or must not start any more. */
  begun: boolean;
}

/** What a callback queue does with its tasks. */
export interface TaskRunner<T> {
  /** Runs a task. It never throws, and its promise never rejects. */
  run(task: T): PromiseLike<void> | undefined;
  /** Whether a task may start now. If not, its priority level waits until `start`. */
  mayStart(task: T): boolean;
  /** Called at the end of each job of the queue. */
  onJobEnd(): void;
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
 * A task that arrives while the queue is free runs without an entry here: between `enter` and
 * `leave`. Only tasks that have to wait need the p-queue. A run of synchronous tasks is one job of
 * the p-queue; a job ends with the first asynchronous task, for which it waits.
 */
export class CallbackQueue<T extends Task> {
  readonly #concurrency: number;
  readonly #runner: TaskRunner<T>;
  /** Made for the first task that waits. */
  #queue: PQueue | undefined;
  /** By falling priority. */
  readonly #levels: PriorityLevel<T>[] = [];
  #waiting = 0;
  /** The task that runs without a job: true while it is synchronous, then its promise. */
  #entered: PromiseLike<void> | true | undefined;
  #starting = false;
  /** Resolves when tasks of a blocked level start or are dropped. */
  #resumed: Deferred<void> | undefined;

  constructor(concurrency: number, runner: TaskRunner<T>) {
    this.#concurrency = concurrency;
    this.#runner = runner;
  }

  /** Whether nothing waits and nothing runs. */
  get free(): boolean {
    return this.#entered === undefined && this.#waiting === 0 && this.#idle;
  }

  /** A task runs now, without a job. The queue must be free, and `leave` must follow. */
  enter(): void {
    this.#entered = true;
  }

  /** The task of `enter` has ended, or ends with this promise. */
  leave(pending: PromiseLike<void> | undefined): void {
    this.#entered = pending;
    if (!pending) return;
    const end = (): void => {
      if (this.#entered === pending) this.#entered = undefined;
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
    // A job that ends inside the loop calls this again: the loop itself goes on, so the stack does
    // not grow.
    if (this.#starting || this.#waiting === 0 || this.#entered === true) return;
    this.#starting = true;
    this.#convert();
    for (let level = this.#unscheduled(); level; level = this.#unscheduled()) this.#schedule(level);
    this.#starting = false;
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (!this.free) {
      this.#convert();
      if (this.#entered === true) await done;
      else if (this.#idle) await (this.#resumed ??= new Deferred()).promise;
      else await this.#queue?.onIdle();
    }
  }

  /** Drops the waiting tasks. */
  clear(): void {
    for (const { tasks } of this.#levels) tasks.clear();
    this.#waiting = 0;
    this.#resume();
  }

  get #idle(): boolean {
    return this.#queue === undefined || this.#queue.size + this.#queue.pending === 0;
  }

  /** Counts the task of `enter` in the concurrency of the p-queue, where others wait for it. */
  #convert(): void {
    const pending = this.#entered;
    if (pending === undefined || pending === true) return;
    this.#entered = undefined;
    void this.#jobs().add(() => pending, queueOptions({}));
  }

  #jobs(): PQueue {
    this.#queue ??= new PQueue(queueOptions({ concurrency: this.#concurrency }));
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
      return first !== undefined && (first.begun || this.#runner.mayStart(first));
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
    while (!pending) {
      const task = level.tasks.peek();
      if (!task || !(task.begun || this.#runner.mayStart(task))) break;
      level.tasks.shift();
      this.#waiting -= 1;
      if (!task.begun) pending = this.#runner.run(task);
    }
    // Other tasks may use the rest of the concurrency.
    if (pending) this.start();
    this.#runner.onJobEnd();
    return pending ?? done;
  }
}

/** The callback queues of one socket. */
export class CallbackQueues<T extends Task> {
  readonly #runner: TaskRunner<T>;
  /** A set: a loop over it stays valid when a callback adds or removes a queue. */
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

  /** Forgets a queue as soon as it is free. */
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

  /** Starts waiting tasks, also those of queues that were retired before they got these tasks. */
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
