// Stands in for `vitest` where the suites run in a page or a worker: it collects the tests, and a
// spec file in Node runs them one by one. The matchers are those of vitest.
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';
import * as chai from 'chai';
import { FakeClock } from './fake-clock.js';
import { scope } from './scope.js';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);
chai.config.truncateThreshold = 500;

export const expect = ((value: unknown, message?: string) => chai.expect(value, message)) as never as Expect;
interface Expect extends Chai.ExpectStatic {
  (value: unknown, message?: string): Chai.Assertion & { toEqual(expected: unknown): void };
}
Object.assign(expect, chai.expect, (globalThis as Record<symbol, unknown>)[ASYMMETRIC_MATCHERS_OBJECT]);
setState({ ...getState(expect as never), assertionCalls: 0 }, expect as never);

type Hook = () => unknown;
interface Group {
  readonly title: string;
  readonly parent: Group | undefined;
  readonly before: Hook[];
  readonly after: Hook[];
}
interface Test {
  readonly title: string;
  readonly group: Group;
  readonly run: Hook | undefined;
}

let current: Group = { title: '', parent: undefined, before: [], after: [] };
const tests: Test[] = [];
/** Errors outside of any promise that a test awaits. */
const stray: unknown[] = [];

const titleOf = (title: string, group: Group = current): string =>
  [group.title, title].filter((part) => part !== '').join(' > ');

export function describe(title: string, collect: () => void): void {
  const parent = current;
  current = { title: titleOf(title), parent, before: [], after: [] };
  collect();
  current = parent;
}

export function it(title: string, first: Hook | object, second?: Hook): void {
  const run = (typeof first === 'function' ? first : second) as Hook;
  tests.push({ title: titleOf(title), group: current, run });
}

const skip = (title: string): void =>
  void tests.push({ title: titleOf(title), group: current, run: undefined });
it.skip = skip;
it.runIf = (condition: boolean) => (condition ? it : skip);

/** Fills in `%s`, `%j` and the like, which is all that the suites use. */
function filled(title: string, values: readonly unknown[]): string {
  let at = 0;
  return title.replaceAll(/%[sdijo]/g, (kind) => {
    const value = values[at];
    at += 1;
    return kind === '%j' || kind === '%o' ? JSON.stringify(value) : String(value);
  });
}

const each =
  <C>(declare: (title: string, run: () => C) => void) =>
  (rows: readonly unknown[]) =>
  (title: string, run: (...values: unknown[]) => C): void => {
    for (const row of rows) {
      const values = Array.isArray(row) ? (row as unknown[]) : [row];
      declare(filled(title, values), () => run(...values));
    }
  };
it.each = each<unknown>(it);
describe.each = each<void>(describe);

export const beforeEach = (hook: Hook): void => void current.before.push(hook);
export const afterEach = (hook: Hook): void => void current.after.unshift(hook);

const clock = new FakeClock();
export const vi = {
  useFakeTimers: (options: { readonly toFake: readonly string[]; readonly now?: number }) => {
    clock.install(options);
  },
  useRealTimers: () => {
    clock.remove();
  },
  setSystemTime: (now: number) => {
    clock.now = now;
  },
  advanceTimersByTimeAsync: (time: number) => clock.advance(time),
  getTimerCount: () => clock.count,
  fn: () => {
    const calls: unknown[][] = [];
    return Object.assign((...values: unknown[]) => void calls.push(values), { mock: { calls } });
  },
};

/** Outermost hooks run first before a test, and last after it. */
const groupsOf = (group: Group | undefined): Group[] => (group ? [...groupsOf(group.parent), group] : []);

async function run({ run: body, group }: Test): Promise<void> {
  const groups = groupsOf(group);
  stray.splice(0);
  try {
    for (const hook of groups.flatMap(({ before }) => before)) await hook();
    await body?.();
  } finally {
    for (const hook of groups.reverse().flatMap(({ after }) => after)) await hook();
  }
  if (stray.length > 0) throw stray[0];
}

scope.addEventListener('unhandledrejection', ({ reason }) => void stray.push(reason));
scope.addEventListener('error', ({ error }) => void stray.push(error));

/** The functions that a spec file in Node calls. */
export interface PageTests {
  list(): { readonly title: string; readonly skipped: boolean }[];
  /** Resolves with the text of the failure, or with undefined. */
  run(index: number): Promise<string | undefined>;
}

const pageTests: PageTests = {
  list: () => tests.map(({ title, run: body }) => ({ title, skipped: !body })),
  run: async (index) => {
    try {
      await run(tests[index] as Test);
      return undefined;
    } catch (error) {
      return error instanceof Error ? `${error.message}\n${error.stack}` : `thrown: ${String(error)}`;
    }
  },
};
/** Gives the tests to the spec file in Node, when all are collected. */
export function publishTests(): void {
  Object.assign(globalThis, { pageTests, placeReady: true });
}
