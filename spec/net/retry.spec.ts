import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { retryDelay, toRetryPlan } from '../../lib/net/retry.js';
import { isTransient } from '../../lib/net/retry.js';

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const plans = fc
  .record({ minDelay: fc.nat(10_000), more: fc.nat(100_000), retries: fc.nat(100) })
  .map(({ minDelay, more, retries }) => ({ minDelay, maxDelay: minDelay + more, retries }));

describe('the plan of retries', () => {
  it('has defaults, and says no', () => {
    const defaults = { retries: 3, minDelay: 100, maxDelay: 2000 };
    expect(toRetryPlan(undefined)).toEqual(defaults);
    expect(toRetryPlan(true)).toEqual(defaults);
    expect(toRetryPlan({})).toEqual(defaults);
    expect(toRetryPlan(false).retries).toBe(0);
    expect(toRetryPlan({ retries: Infinity }).retries).toBe(Infinity);
    expect(toRetryPlan({ retries: 0 }).retries).toBe(0);
  });

  it('stretches the longest pause to the shortest where only that is given', () => {
    expect(toRetryPlan({ minDelay: 5000 }).maxDelay).toBe(5000);
    expect(toRetryPlan({ minDelay: 50 }).maxDelay).toBe(2000);
  });
});

describe('the pause before a retry', () => {
  it('is at least half of the doubled delay, never over it, never over the limit', () => {
    fc.assert(
      fc.property(plans, fc.nat(1000), fraction, (plan, nth, random) => {
        const pause = retryDelay(plan, nth, () => random);
        const full = Math.min(plan.maxDelay, plan.minDelay * 2 ** nth);
        expect(pause).toBeGreaterThanOrEqual(full / 2);
        expect(pause).toBeLessThanOrEqual(full);
        expect(Number.isFinite(pause)).toBe(true);
      }),
    );
  });

  it('does not shrink from one retry to the next, for the same chance', () => {
    fc.assert(
      fc.property(plans, fc.nat(100), fraction, (plan, nth, random) => {
        expect(retryDelay(plan, nth + 1, () => random)).toBeGreaterThanOrEqual(
          retryDelay(plan, nth, () => random),
        );
      }),
    );
  });

  it('spreads over the upper half evenly, and uses Math.random if not told otherwise', () => {
    const plan = { retries: 3, minDelay: 100, maxDelay: 2000 };
    expect([0, 0.5, 0.999].map((random) => retryDelay(plan, 0, () => random))).toEqual([50, 75, 99.95]);
    expect([0, 1, 2, 5, 50].map((nth) => retryDelay(plan, nth, () => 0))).toEqual([50, 100, 200, 1000, 1000]);
    expect(retryDelay(plan, 0)).toBeGreaterThanOrEqual(50);
    expect(retryDelay(plan, 0)).toBeLessThanOrEqual(100);
  });
});

describe('what may pass', () => {
  const errorOf = (code: string): K4netError =>
    new K4netError('K4NET_CONNECT', 'no', { cause: Object.assign(new Error(code), { code }) });

  it.each(['ECONNREFUSED', 'ENOENT', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'EAGAIN'])(
    '%s is worth another attempt',
    (code) => {
      expect(isTransient(errorOf(code))).toBe(true);
    },
  );

  it.each(['ENOTFOUND', 'EACCES', 'EPERM', 'EINVAL', 'ENOTDIR', 'EAFNOSUPPORT', ''])('%s is not', (code) => {
    expect(isTransient(errorOf(code))).toBe(false);
  });

  it('an error that is not of a connection is not either', () => {
    expect(isTransient(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))).toBe(false);
    expect(isTransient(new K4netError('K4NET_LISTEN', 'no', { cause: errorOf('ECONNREFUSED').cause }))).toBe(
      false,
    );
    expect(isTransient(undefined)).toBe(false);
  });
});
