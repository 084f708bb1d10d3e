import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Heartbeat } from '../../lib/queue/heartbeat.js';

// Time is what is tested here: it goes as the tests want it.
beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function open(interval: number, timeout: number) {
  const started = performance.now();
  const counters = { received: 0, sent: 0, paused: false };
  const quiet: number[] = [];
  const dead: number[] = [];
  const since = (): number => performance.now() - started;
  const heartbeat = new Heartbeat({
    interval,
    timeout,
    counters: () => ({ ...counters }),
    onQuiet: () => {
      quiet.push(since());
      counters.sent += 1;
    },
    onDead: () => dead.push(since()),
  });
  /** Lets time pass, with something done every millisecond. */
  const pass = (time: number, each: () => void = () => undefined): void => {
    for (let i = 0; i < time; i += 1) {
      each();
      vi.advanceTimersByTime(1);
    }
  };
  return { heartbeat, counters, quiet, dead, pass };
}

describe('a heartbeat', () => {
  it('calls onQuiet once per interval when nothing is sent, late by a quarter of it at most', () => {
    const { quiet, dead, pass } = open(100, 10_000);
    pass(1000);
    expect(quiet.length).toBeGreaterThanOrEqual(7);
    let before = 0;
    for (const at of quiet) {
      expect(at - before).toBeGreaterThanOrEqual(100);
      expect(at - before).toBeLessThanOrEqual(130);
      before = at;
    }
    expect(dead).toEqual([]);
  });

  it('does not call onQuiet while bytes are sent', () => {
    const { quiet, counters, pass } = open(100, 10_000);
    let time = 0;
    pass(2000, () => {
      time += 1;
      if (time % 50 === 0) counters.sent += 1;
    });
    expect(quiet).toEqual([]);
  });

  it('counts the interval from the last byte sent', () => {
    const { quiet, counters, pass } = open(100, 10_000);
    pass(90);
    counters.sent += 1;
    pass(90);
    expect(quiet).toEqual([]);
    pass(60);
    expect(quiet.length).toBe(1);
  });

  it('calls onDead once when nothing has arrived for the timeout', () => {
    const { dead, counters, pass } = open(40, 120);
    pass(100);
    counters.received += 1;
    pass(115);
    expect(dead).toEqual([]);
    pass(50);
    expect(dead.length).toBe(1);
    expect(dead[0]).toBeGreaterThanOrEqual(220);
    pass(1000);
    expect(dead.length).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not call onDead while this side does not read', () => {
    const { dead, counters, pass } = open(1000, 120);
    counters.paused = true;
    pass(1000);
    expect(dead).toEqual([]);
    counters.paused = false;
    pass(100);
    expect(dead).toEqual([]);
    pass(60);
    expect(dead.length).toBe(1);
  });

  it('reads pending input before it declares the peer dead', () => {
    const { dead, counters, pass } = open(1000, 100);
    // After a long computation the timer comes first, and then the input that has piled up
    // meanwhile.
    const now = performance.now.bind(performance);
    const { setImmediate } = globalThis;
    pass(20);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 5000);
    vi.spyOn(globalThis, 'setImmediate').mockImplementation((task: () => void) =>
      setImmediate(() => {
        counters.received += 1;
        task();
      }),
    );
    pass(30);
    expect(counters.received).toBe(1);
    expect(dead).toEqual([]);
  });

  it('calls nothing after it is stopped, even between the timer and the check', () => {
    const { heartbeat, quiet, dead, pass } = open(40, 80);
    pass(20);
    setTimeout(() => {
      heartbeat.stop();
    }, 0);
    pass(1000);
    expect([quiet, dead]).toEqual([[], []]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('can watch only one of the two directions', () => {
    const { quiet, dead, pass } = open(Infinity, 100);
    pass(150);
    expect(quiet).toEqual([]);
    expect(dead.length).toBe(1);
    const other = open(100, Infinity);
    other.pass(1000);
    expect(other.quiet.length).toBeGreaterThan(6);
    expect(other.dead).toEqual([]);
  });
});
