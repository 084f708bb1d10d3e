import { describe, expect, it } from 'vitest';
import type { SessionEnd } from '../../lib/nats/session-end.js';
import { SessionEnds } from '../../lib/nats/session-ends.js';
import { randomToken } from '../../lib/nats/subjects.js';

describe('the ends of sessions', () => {
  it('of one process probe together, at most every 400 ms, and no others do', () => {
    const ends = new SessionEnds();
    const probed: string[] = [];
    const subjects = ['one', 'one', 'other'].map((name) => `_INBOX.${name}.${randomToken()}`);
    for (const target of subjects) {
      const end: Partial<SessionEnd> = { target, probe: (now) => void probed.push(`${target} ${now}`) };
      ends.set(target, end as SessionEnd);
    }
    const [first = '', second = ''] = subjects;
    for (const now of [0, 100, 399]) ends.doubt(first, now);
    ends.doubt(second, 399);
    ends.doubt(second, 400);
    expect(probed).toEqual([`${first} 0`, `${second} 0`, `${first} 400`, `${second} 400`]);
  });

  it('forget what is removed', () => {
    const ends = new SessionEnds();
    let probes = 0;
    const target = `_INBOX.one.${randomToken()}`;
    const made: Partial<SessionEnd> = { target, probe: () => void (probes += 1) };
    const end = made as SessionEnd;
    ends.set('a', end);
    expect([ends.size, ends.get('a'), ends.hasTarget(target)]).toEqual([1, end, true]);
    ends.remove('a', end);
    ends.doubt(target, 1_000);
    expect([ends.size, ends.get('a'), ends.hasTarget(target), probes]).toEqual([0, undefined, false, 0]);
  });
});
