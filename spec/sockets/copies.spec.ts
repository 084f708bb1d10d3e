import { afterEach, expect, it, vi } from 'vitest';
import * as here from '../../lib/errors.js';

afterEach(() => {
  vi.resetModules();
});

it('K4netError.is recognizes the errors of another copy of the package', async () => {
  vi.resetModules();
  const there = await import('../../lib/errors.js');
  expect(there.K4netError).not.toBe(here.K4netError);
  for (const error of [
    new there.K4netError('K4NET_CLOSED', 'x'),
    new there.TooLargeError(2, 1),
    new there.TimeoutError('x', 1),
    new there.MalformedError('x', new Uint8Array(1)),
    new there.EndOfDataError(0, 2, 1),
  ]) {
    expect(error).not.toBeInstanceOf(here.K4netError);
    expect(here.K4netError.is(error)).toBe(true);
    expect(here.K4netError.is(error, error.code)).toBe(true);
    expect(here.K4netError.is(error, 'K4NET_INTERNAL')).toBe(false);
  }
});

it('K4netError.is returns false for anything else', () => {
  const lookalike = Object.assign(new Error('x'), { code: 'K4NET_CLOSED', name: 'K4netError' });
  for (const other of [
    lookalike,
    new Error('x'),
    { code: 'K4NET_CLOSED' },
    null,
    undefined,
    'K4NET_CLOSED',
    5,
  ]) {
    expect(here.K4netError.is(other)).toBe(false);
  }
});

it('a socket does not replace an error of another copy of the package', async () => {
  vi.resetModules();
  const there = await import('../../lib/errors.js');
  const { LockedSocket } = await import('../../lib/sockets/locked-socket.js');
  const { memoryPair } = await import('../../lib/transport/memory.js');
  const [raw, mine] = memoryPair();
  const sock = new LockedSocket(mine);
  raw.abort();
  const { error } = await sock.closed;
  expect(error).toBeInstanceOf(there.K4netError);
  expect(here.K4netError.is(error, 'K4NET_CONNECTION')).toBe(true);
  expect(here.toK4netError(error, 'K4NET_INTERNAL', 'x')).toBe(error);
});
