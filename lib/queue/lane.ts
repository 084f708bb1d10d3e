import PQueue from 'p-queue';
import { Fifo } from '../fifo.js';

const done: Promise<void> = Promise.resolve();

/** Something to be done in its turn. */
export interface Task {
  /** Higher goes first. */
  readonly priority: number;
}

interface Line<T> {
  readonly priority: number;
  readonly tasks: Fifo<T>;
  /** Whether a job for this line waits in the queue. */
  scheduled: boolean;
}

/**
 * Performs tasks, so many at a time, in order within a priority. A run of tasks that are done at once is one job of the
 * queue; a run stops at the first task that has to be waited for, which keeps the job until it is done.
 */
export class Lane<T extends Task> {
  readonly #concurrency: number;
  /** Made for the first task: most sockets perform none of one kind. */
  #queue: PQueue | undefined;
  readonly #perform: (task: T) => PromiseLike<void> | undefined;
  readonly #onRun: () => void;
  /** By falling priority. */
  readonly #lines: Line<T>[] = [];
  #kicking = false;

  /**
   * @param perform - never throws, and its promise never rejects.
   * @param onRun - called at the end of every run.
   */
  constructor(concurrency: number, perform: (task: T) => PromiseLike<void> | undefined, onRun: () => void) {
    this.#concurrency = concurrency;
    this.#perform = perform;
    this.#onRun = onRun;
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

  /** Begins with what there is room for, before it returns. */
  kick(): void {
    // A job that starts in here comes by again: the loop below has it, and the stack does not grow.
    if (this.#kicking) return;
    this.#kicking = true;
    for (let line = this.#unscheduled(); line; line = this.#unscheduled()) this.#schedule(line);
    this.#kicking = false;
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    return this.#queue?.onIdle() ?? done;
  }

  /** Drops what has not begun. */
  clear(): void {
    for (const { tasks } of this.#lines) tasks.clear();
  }

  #lineOf(priority: number): Line<T> {
    const at = this.#lines.findIndex((line) => line.priority <= priority);
    const found = this.#lines[at];
    if (found?.priority === priority) return found;
    const line: Line<T> = { priority, tasks: new Fifo(), scheduled: false };
    this.#lines.splice(at < 0 ? this.#lines.length : at, 0, line);
    return line;
  }

  #unscheduled(): Line<T> | undefined {
    return this.#lines.find(({ scheduled, tasks }) => !scheduled && tasks.length > 0);
  }

  #schedule(line: Line<T>): void {
    line.scheduled = true;
    this.#queue ??= new PQueue({ concurrency: this.#concurrency });
    void this.#queue.add(() => this.#run(line), { priority: line.priority });
  }

  #run(line: Line<T>): PromiseLike<void> {
    line.scheduled = false;
    let pending: PromiseLike<void> | undefined;
    while (!pending) {
      const task = line.tasks.shift();
      if (!task) break;
      pending = this.#perform(task);
    }
    // Others may have what concurrency is left.
    if (pending) this.kick();
    this.#onRun();
    return pending ?? done;
  }
}
