import PQueue from 'p-queue';
import { Fifo } from '../util/fifo.js';
import { queueOptions } from '../util/options.js';
import { Deferred } from '../util/wait.js';

const done: Promise<void> = Promise.resolve();
const always = (): boolean => true;

/** Something to be done in its turn. */
export interface Task {
  /** Higher goes first. */
  readonly priority: number;
  /** Whether it has had its turn, or is to have none. */
  begun?: boolean;
}

interface Line<T> {
  readonly priority: number;
  /** How its jobs are added to the queue. */
  readonly options: { readonly priority: number };
  readonly tasks: Fifo<T>;
  /** How many of the tasks are to have no turn. */
  skipped: number;
  /** Whether a job for this line waits in the queue. */
  scheduled: boolean;
}

/**
 * Performs tasks, so many at a time, in order within a priority. A run of tasks that are done at once is one job of the
 * queue; a run stops at the first task that has to be waited for, which keeps the job until it is done.
 */
export class CallbackQueue<T extends Task> {
  readonly #concurrency: number;
  /** Made for the first task: most sockets perform none of one kind. */
  #queue: PQueue | undefined;
  readonly #perform: (task: T) => PromiseLike<void> | undefined;
  readonly #onRun: () => void;
  readonly #mayBegin: (task: T) => boolean;
  /** By falling priority. */
  readonly #lines: Line<T>[] = [];
  #kicking = false;
  /** Resolves when a line goes on whose first task could not begin. */
  #goesOn: Deferred<void> | undefined;

  /**
   * @param perform - never throws, and its promise never rejects.
   * @param onRun - called at the end of every run.
   * @param mayBegin - whether a task may begin now. While it may not, its line stands still until `kick`.
   */
  constructor(
    concurrency: number,
    perform: (task: T) => PromiseLike<void> | undefined,
    onRun: () => void,
    mayBegin: (task: T) => boolean = always,
  ) {
    this.#concurrency = concurrency;
    this.#perform = perform;
    this.#onRun = onRun;
    this.#mayBegin = mayBegin;
  }

  /** Whether something waits or is under way. */
  get busy(): boolean {
    const { size = 0, pending = 0 } = this.#queue ?? {};
    return size + pending > 0 || this.#lines.some(({ tasks }) => tasks.length > 0);
  }

  /** Puts a task in its line; `kick` begins with it. */
  push(task: T): void {
    this.#lineOf(task.priority).tasks.push(task);
  }

  /** A task of this lane is to have no turn, and has said so. It is forgotten once such are the most of its line. */
  skip(task: T): void {
    const line = this.#lineOf(task.priority);
    line.skipped += 1;
    if (line.skipped < 64 || line.skipped * 2 < line.tasks.length) return;
    for (let left = line.tasks.length; left > 0; left -= 1) {
      const each = line.tasks.shift();
      if (each && !each.begun) line.tasks.push(each);
    }
    line.skipped = 0;
  }

  /** Begins with what there is room for, before it returns. */
  start(): void {
    // A job that starts in here comes by again: the loop below has it, and the stack does not grow.
    if (this.#kicking) return;
    this.#kicking = true;
    for (let line = this.#unscheduled(); line; line = this.#unscheduled()) this.#schedule(line);
    this.#kicking = false;
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    while (this.busy) {
      const { size = 0, pending = 0 } = this.#queue ?? {};
      if (size + pending === 0) await (this.#goesOn ??= new Deferred()).promise;
      else await this.#queue?.onIdle();
    }
  }

  /** Drops what has not begun. */
  clear(): void {
    for (const { tasks } of this.#lines) tasks.clear();
    this.#goOn();
  }

  #lineOf(priority: number): Line<T> {
    const at = this.#lines.findIndex((line) => line.priority <= priority);
    const found = this.#lines[at];
    if (found?.priority === priority) return found;
    const options = queueOptions({ priority });
    const line: Line<T> = { priority, options, tasks: new Fifo(), skipped: 0, scheduled: false };
    this.#lines.splice(at < 0 ? this.#lines.length : at, 0, line);
    return line;
  }

  #unscheduled(): Line<T> | undefined {
    return this.#lines.find(({ scheduled, tasks }) => {
      const first = scheduled ? undefined : tasks.peek();
      return first !== undefined && this.#mayBegin(first);
    });
  }

  #goOn(): void {
    this.#goesOn?.resolve();
    this.#goesOn = undefined;
  }

  #schedule(line: Line<T>): void {
    line.scheduled = true;
    this.#goOn();
    this.#queue ??= new PQueue(queueOptions({ concurrency: this.#concurrency }));
    void this.#queue.add(() => this.#run(line), line.options);
  }

  #run(line: Line<T>): PromiseLike<void> {
    line.scheduled = false;
    let pending: PromiseLike<void> | undefined;
    while (!pending) {
      const task = line.tasks.peek();
      if (!task || !this.#mayBegin(task)) break;
      line.tasks.shift();
      if (task.begun) line.skipped -= 1;
      else pending = this.#perform(task);
    }
    // Others may have what concurrency is left.
    if (pending) this.start();
    this.#onRun();
    return pending ?? done;
  }
}
