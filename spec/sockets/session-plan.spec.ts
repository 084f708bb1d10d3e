import { describe, expect, it } from 'vitest';
import { sessionOptions } from '../../lib/sockets/session-plan.js';

describe('sessionOptions: the longest record that is accepted', () => {
  it.each([
    [undefined, 262_144],
    [1, undefined],
    [65_536, undefined],
    [65_537, 65_537],
    [100_000, 100_000],
    [262_144, 262_144],
    [1_000_000, 262_144],
    [Infinity, 262_144],
    [NaN, undefined],
  ])('is for a queue of %s bytes %s', (recvSize, recordLimit) => {
    expect(sessionOptions({ recvSize }).recordLimit).toBe(recordLimit);
  });

  it('is what the caller says, whatever the queue', () => {
    expect(sessionOptions({ recvSize: 1_000_000, recordLimit: 65_536 }).recordLimit).toBe(65_536);
    expect(sessionOptions({ recvSize: 1, recordLimit: 1_048_576 }).recordLimit).toBe(1_048_576);
  });
});
