import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Hub } from '../../lib/nats/hub.js';
import { hubSettings } from '../../lib/nats/hub-settings.js';
import type { SessionEnd } from '../../lib/nats/session-end.js';
import { turns } from '../support/recorder.js';

const never = new Promise<never>(() => undefined);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A hub that gets no messages. */
function silentHub(next: () => Promise<IteratorResult<{ type: string }>> = () => never): Hub {
  const subscription = { unsubscribe: () => undefined, drain: () => never };
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

it('a session that throws when NATS is back does not keep others from hearing it', async () => {
  const news = ['disconnect', 'reconnect', 'disconnect', 'reconnect'];
  const hub = silentHub(() => {
    const type = news.shift();
    return type === undefined ? never : Promise.resolve({ done: false, value: { type } });
  });
  const events: string[] = [];
  const end = (name: string, reconnected: () => void): void => {
    const fail = (): void => void events.push(`${name} failed`);
    const made: Partial<SessionEnd> = { target: `_INBOX.${name}`, reconnected, fail };
    hub.set(name, made as SessionEnd);
  };
  end('bad', () => {
    throw new Error('a fault of the program');
  });
  end('good', () => void events.push('good'));
  while (events.length < 4) await turns();
  expect(events).toEqual(['bad failed', 'good', 'bad failed', 'good']);
  expect(hub.isAway).toBe(false);
});
