import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Hub } from '../../lib/nats/hub.js';
import { hubSettings } from '../../lib/nats/hub-settings.js';
import type { SessionEnd } from '../../lib/nats/session-end.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A hub that gets no messages: only its timer is of interest. */
function silentHub(): Hub {
  const never = new Promise<never>(() => undefined);
  const subscription = { unsubscribe: () => undefined, drain: () => never };
  const next = (): Promise<never> => never;
  const nc = {
    publish: () => undefined,
    subscribe: () => subscription,
    status: () => ({ [Symbol.asyncIterator]: () => ({ next }) }),
    closed: () => never,
    isClosed: () => false,
    flush: () => never,
  };
  return new Hub(nc, hubSettings({}));
}

it('the timer of a hub runs although frames want it earlier all the time', () => {
  const hub = silentHub();
  let rounds = 0;
  const tick = (): number => {
    rounds += 1;
    return Infinity;
  };
  const end: Partial<SessionEnd> = { target: '_INBOX.peer', tick };
  hub.set('token', end as SessionEnd);
  const begin = hub.now();
  hub.schedule(begin + 100);
  vi.advanceTimersByTime(60);
  for (let i = 0; i < 20 && rounds === 0; i += 1) {
    hub.schedule(begin + 80);
    vi.advanceTimersByTime(10);
  }
  expect(rounds).toBe(1);
  expect(hub.now() - begin).toBeLessThanOrEqual(110);
});
