import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { K4netError } from '../../../lib/errors.js';
import { turns } from '../../support/recorder.js';

/** A failure that no random case may have, see {@link Violations}. */
export class ModelError extends Error {}

/**
 * Milliseconds after which a case counts as hanging. Cases take some milliseconds, on a busy
 * machine more.
 */
const caseDeadline = 20_000;

const long = process.env['K4NET_MODEL_CASES'];

/**
 * Runs of one combination: a few in the test run, more with the environment variable.
 */
export function runsOf(quick: number, combinations: number): number {
  return long === undefined ? quick : Math.max(1, Math.ceil(Number(long) / combinations));
}

/** Milliseconds for all runs of one combination. */
export const modelTimeout: number = long === undefined ? 60_000 : 2 ** 31 - 1;

/**
 * Runs random cases until one fails, and then prints its seed, its path and its plan. With the
 * seed and the path in the environment only that case runs, and fast-check looks for a smaller
 * one.
 */
export async function runCases<T>(
  plans: fc.Arbitrary<T>,
  runs: number,
  run: (plan: T) => Promise<void>,
): Promise<void> {
  const { K4NET_MODEL_SEED: seed = '1', K4NET_MODEL_PATH: path } = process.env;
  await fc.assert(fc.asyncProperty(plans, run), {
    numRuns: runs,
    seed: Number(seed),
    endOnFailure: path === undefined,
    ...(path === undefined ? {} : { path }),
  });
}

/** The violations of a case. It still runs to its end, so that it leaves no handles. */
export class Violations {
  readonly #found: string[] = [];

  add(text: string): void {
    this.#found.push(text);
  }

  /** Throws if there is one. */
  check(state: () => string): void {
    if (this.#found.length > 0) throw new ModelError(`${this.#found.join('\n')}\n${state()}`);
  }
}

/** Unhandled rejections since its construction. */
export class Crashes {
  readonly #seen: unknown[] = [];
  readonly #listener = (reason: unknown): void => void this.#seen.push(reason);

  constructor() {
    process.on('unhandledRejection', this.#listener);
  }

  /** Stops listening, after a turn in which Node reports the last ones. */
  async end(violations: Violations): Promise<void> {
    await turns(2);
    process.off('unhandledRejection', this.#listener);
    for (const reason of this.#seen) violations.add(`unhandled rejection: ${describe(reason)}`);
  }
}

/** Unsettled promises of one case, with the names of their operations. */
export class PendingOperations {
  readonly #labels = new Set<{ readonly label: string }>();
  #idle: (() => void) | undefined;

  /** Counts the promise as unsettled until it settles, and returns it. */
  watch<T>(label: string, promise: Promise<T>): Promise<T> {
    const entry = { label };
    this.#labels.add(entry);
    const done = (): void => {
      this.#labels.delete(entry);
      if (this.#labels.size === 0) this.#idle?.();
    };
    promise.then(done, done);
    return promise;
  }

  get size(): number {
    return this.#labels.size;
  }

  /** Resolves when all have settled. */
  async settled(): Promise<void> {
    while (this.#labels.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  toString(): string {
    return [...this.#labels].map(({ label }) => label).join(', ') || 'nothing';
  }
}

/** Waits for a promise that never rejects, for at most this many turns of the event loop. */
export async function settledWithin(count: number, promise: Promise<unknown>): Promise<void> {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  void promise.then(done, done);
  const isSettled = (): boolean => settled;
  for (let i = 0; i < count && !isSettled(); i += 1) await turns();
}

/** Turns a hang into a failure with the state of both sides. */
export async function withinDeadline(promise: Promise<void>, state: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ModelError(`the case hangs\n${state()}`));
    }, caseDeadline);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A short description of an error. */
export function describe(error: unknown): string {
  return K4netError.is(error) ? `${error.code} ${error.message}` : String(error);
}

/** Signals of one case, each of which aborts some turns after it was made. */
export class Signals {
  readonly #signals: AbortSignal[] = [];

  /**
   * @param after - turns of the event loop; 0 for a signal that has aborted already, undefined for
   * no signal.
   */
  make(after: number | undefined): AbortSignal | undefined {
    if (after === undefined) return undefined;
    const controller = new AbortController();
    this.#signals.push(controller.signal);
    if (after === 0) controller.abort(new Abort());
    else
      void turns(after).then(() => {
        controller.abort(new Abort());
      });
    return controller.signal;
  }

  /** Checks that no signal has a listener after everything has settled. */
  check(violations: Violations): void {
    for (const signal of this.#signals) {
      const left = getEventListeners(signal, 'abort').length;
      if (left > 0) violations.add(`${left} listeners are left on a signal`);
    }
  }
}

/** The reason of every abort of a model. */
export class Abort extends Error {}

/** Handles and timers of this process that a socket could leak, by name. */
export function handles(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (name !== 'Immediate') counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Whether there are at most as many as before. */
export function noneLeft(before: ReadonlyMap<string, number>): boolean {
  return [...handles()].every(([name, count]) => count <= (before.get(name) ?? 0));
}
