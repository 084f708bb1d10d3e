import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { retryDelay, toRetryPlan } from '../../lib/net/retry.js';
import { isTransient } from '../../lib/net/retry.js';

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const plans = fc
  .record({ minDelay: fc.nat(10_000), more: fc.nat(100_000), retries: fc.nat(100) })
  .map(({ minDelay, more, retries }) => ({ minDelay, maxDelay: minDelay + more, retries }));

describe('the retry option of connect', () => {
  it('has defaults, and false means no retries', () => {
    const defaults = { retries: 3, minDelay: 100, maxDelay: 2000 };
    expect(toRetryPlan(undefined)).toEqual(defaults);
    expect(toRetryPlan(true)).toEqual(defaults);
    expect(toRetryPlan({})).toEqual(defaults);
    expect(toRetryPlan(false).retries).toBe(0);
    expect(toRetryPlan({ retries: Infinity }).retries).toBe(Infinity);
    expect(toRetryPlan({ retries: 0 }).retries).toBe(0);
  });

  it('raises the default of maxDelay to minDelay', () => {
    expect(toRetryPlan({ minDelay: 5000 }).maxDelay).toBe(5000);
    expect(toRetryPlan({ minDelay: 50 }).maxDelay).toBe(2000);
  });
});

describe('exponential backoff before a retry', () => {
  it('has jitter between half of the doubled delay and all of it, up to the limit', () => {
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

  it('does not shrink from one retry to the next for the same random number', () => {
    fc.assert(
      fc.property(plans, fc.nat(100), fraction, (plan, nth, random) => {
        expect(retryDelay(plan, nth + 1, () => random)).toBeGreaterThanOrEqual(
          retryDelay(plan, nth, () => random),
        );
      }),
    );
  });

  it('spreads evenly over the upper half, and uses Math.random by default', () => {
    const plan = { retries: 3, minDelay: 100, maxDelay: 2000 };
    expect([0, 0.5, 0.999].map((random) => retryDelay(plan, 0, () => random))).toEqual([50, 75, 99.95]);
    expect([0, 1, 2, 5, 50].map((nth) => retryDelay(plan, nth, () => 0))).toEqual([50, 100, 200, 1000, 1000]);
    expect(retryDelay(plan, 0)).toBeGreaterThanOrEqual(50);
    expect(retryDelay(plan, 0)).toBeLessThanOrEqual(100);
  });
});

describe('the errors that connect retries', () => {
  const errorOf = (code: string): K4netError =>
    new K4netError('K4NET_CONNECT', 'no', { cause: Object.assign(new Error(code), { code }) });

  it.each(['ECONNREFUSED', 'ENOENT', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'EAGAIN'])(
    'include %s',
    (code) => {
      expect(isTransient(errorOf(code))).toBe(true);
    },
  );

  it.each(['ENOTFOUND', 'EACCES', 'EPERM', 'EINVAL', 'ENOTDIR', 'EAFNOSUPPORT', ''])(
    'do not include %s',
    (code) => {
      expect(isTransient(errorOf(code))).toBe(false);
    },
  );

  it('do not include an error that is not of the connection', () => {
    expect(isTransient(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))).toBe(false);
    expect(isTransient(new K4netError('K4NET_LISTEN', 'no', { cause: errorOf('ECONNREFUSED').cause }))).toBe(
      false,
    );
    expect(isTransient(undefined)).toBe(false);
  });
});
