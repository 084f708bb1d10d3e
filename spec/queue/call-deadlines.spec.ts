import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallDeadlines, type Timed } from '../../lib/queue/call-deadlines.js';

interface Item extends Timed {
  readonly id: number;
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const item = (id: number, after: number): Item => ({
  id,
  timeout: after,
  deadline: performance.now() + after,
  place: -1,
  previous: undefined,
  next: undefined,
});

describe('the deadlines of calls', () => {
  it('pass in order, each once and after its removal', () => {
    const due: number[] = [];
    const deadlines = new CallDeadlines<Item>(({ id, place }) => due.push(place === -1 ? id : NaN));
    for (const after of [50, 10, 40, 10.5, 30, 20]) deadlines.add(item(after, after));
    vi.advanceTimersByTime(9);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(3);
    expect(due).toEqual([10, 10.5]);
    vi.advanceTimersByTime(100);
    expect(due).toEqual([10, 10.5, 20, 30, 40, 50]);
  });

  it('are never early, and late by 2 ms at most', () => {
    const started = performance.now();
    const at: number[] = [];
    const deadlines = new CallDeadlines<Item>(() => at.push(performance.now() - started));
    for (const after of [0, 0.2, 1, 1.4, 99.5]) deadlines.add(item(0, after));
    vi.advanceTimersByTime(200);
    expect(at.length).toBe(5);
    for (const [i, after] of [0, 0.2, 1, 1.4, 99.5].entries()) {
      expect(at[i]).toBeGreaterThanOrEqual(after);
      expect(at[i]).toBeLessThanOrEqual(after + 2);
    }
  });

  it('share one timer, which moves only for an earlier deadline', () => {
    const start = vi.spyOn(globalThis, 'setTimeout');
    const deadlines = new CallDeadlines<Item>(() => undefined);
    const items = [1000, 1000, 2000, 900, 1000].map((after, id) => item(id, after));
    for (const each of items) deadlines.add(each);
    expect(vi.getTimerCount()).toBe(1);
    expect(start).toHaveBeenCalledTimes(2);
    for (const each of items) deadlines.remove(each);
    deadlines.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keep one timer for sequential calls, which keeps the process alive only while one is in flight', () => {
    const start = vi.spyOn(globalThis, 'setTimeout');
    const deadlines = new CallDeadlines<Item>(() => undefined);
    const hasRef = (): unknown => (start.mock.results[0]?.value as NodeJS.Timeout).hasRef();
    for (let i = 0; i < 100; i += 1) {
      const each = item(i, 1000);
      deadlines.add(each);
      expect(hasRef()).toBe(true);
      deadlines.remove(each);
      expect(hasRef()).toBe(false);
      vi.advanceTimersByTime(1);
    }
    expect(start).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('have no timer after stop', () => {
    const deadlines = new CallDeadlines<Item>(() => undefined);
    const each = item(1, 1000);
    deadlines.add(each);
    deadlines.remove(each);
    deadlines.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('can be later than the longest timer of the platform', () => {
    let due = 0;
    const deadlines = new CallDeadlines<Item>(() => (due += 1));
    deadlines.add(item(0, 2 ** 31 + 5000));
    vi.advanceTimersByTime(2 ** 31);
    expect(due).toBe(0);
    vi.advanceTimersByTime(6000);
    expect(due).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('can be added and removed when one has passed', () => {
    const due: number[] = [];
    const other = item(2, 10);
    const deadlines = new CallDeadlines<Item>(({ id }) => {
      due.push(id);
      if (id !== 1) return;
      deadlines.remove(other);
      deadlines.add(item(3, 0));
      deadlines.add(item(4, 5));
    });
    deadlines.add(item(1, 10));
    deadlines.add(other);
    vi.advanceTimersByTime(100);
    expect(due).toEqual([1, 3, 4]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('pass like those of a sorted list, after any additions, removals and waits', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), value: fc.nat(60) }),
      fc.record({ kind: fc.constant('add' as const), value: fc.constantFrom(30, 50) }),
      fc.record({ kind: fc.constant('remove' as const), value: fc.nat(1000) }),
      fc.record({ kind: fc.constant('wait' as const), value: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const due: Item[] = [];
        let model: Item[] = [];
        const expected: number[] = [];
        const deadlines = new CallDeadlines<Item>((each) => due.push(each));
        const wait = (time: number): void => {
          vi.advanceTimersByTime(time);
          const now = performance.now();
          const past = model.filter(({ deadline }) => deadline <= now);
          model = model.filter(({ deadline }) => deadline > now);
          for (const { deadline } of past.sort((one, two) => one.deadline - two.deadline))
            expected.push(deadline);
        };
        for (const [id, { kind, value }] of steps.entries()) {
          if (kind === 'wait') wait(value);
          else if (kind === 'add') {
            // A deadline of 0 ms passes at the next millisecond, so the model could not compare it.
            const each = item(id, value + 1);
            model.push(each);
            deadlines.add(each);
          } else if (model.length > 0) {
            const [each] = model.splice(value % model.length, 1);
            deadlines.remove(each!);
            expect(each!.place).toBe(-1);
          }
          if (model.length > 0) expect(vi.getTimerCount()).toBe(1);
          expect(due.map(({ deadline }) => deadline)).toEqual(expected);
        }
        wait(100);
        expect(due.map(({ deadline }) => deadline)).toEqual(expected);
        expect(new Set(due).size).toBe(due.length);
        expect(vi.getTimerCount()).toBe(0);
      }),
      { seed: 21, numRuns: 200 },
    );
  });
});
