import { describe, expect, it } from 'vitest';
import { sessionOptions } from '../../lib/sockets/session-plan.js';

const unset = { appProtocols: undefined, recordLimit: undefined, padding: undefined, cipher: undefined };

describe('sessionOptions: the record limit', () => {
  it.each([
    [1, undefined],
    [65_536, undefined],
    [65_537, 65_537],
    [100_000, 100_000],
    [262_144, 262_144],
    [1_000_000, 262_144],
  ])('is, for a recvSize of %s bytes, %s', (recvSize, recordLimit) => {
    expect(sessionOptions({ ...unset, recvSize }).recordLimit).toBe(recordLimit);
  });

  it('is the recordLimit of the caller, whatever the recvSize', () => {
    expect(sessionOptions({ ...unset, recvSize: 1_000_000, recordLimit: 65_536 }).recordLimit).toBe(65_536);
    expect(sessionOptions({ ...unset, recvSize: 1, recordLimit: 1_048_576 }).recordLimit).toBe(1_048_576);
  });
});
