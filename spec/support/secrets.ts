import { inspect } from 'node:util';
import { expect } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { keys } from './keys.js';

const windowLength = 24;
const runLength = 8;

function* windows(text: string): Generator<string> {
  for (let i = 0; i + windowLength <= text.length; i += 1) yield text.slice(i, i + windowLength);
}

const base64Of = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '');

/** Substrings of the private keys that the public keys do not contain. */
const secrets: ReadonlySet<string> = (() => {
  const found = new Set<string>();
  const open = new Set<string>();
  const add = (set: Set<string>, pem: string): void => {
    const base64 = base64Of(pem);
    const der = Buffer.from(base64, 'base64');
    for (const window of windows(base64)) set.add(window);
    for (const window of windows(der.toString('hex'))) set.add(window);
    for (let i = 0; i + runLength <= der.length; i += 1) set.add([...der.subarray(i, i + runLength)].join());
  };
  for (const pair of Object.values(keys)) add(found, pair.toPem());
  for (const pair of Object.values(keys)) add(open, pair.publicKey.toPem());
  for (const window of open) found.delete(window);
  return found;
})();

/** Whether a text contains a part of a private key of the tests: PEM, hexadecimal or numbers. */
export function betrays(text: string): boolean {
  const dense = text.replace(/\s/g, '');
  for (const window of windows(dense)) if (secrets.has(window)) return true;
  for (const [run] of dense.matchAll(/(?:\d{1,3},){7,}\d{1,3}/g)) {
    const numbers = run.split(',');
    for (let i = 0; i + runLength <= numbers.length; i += 1) {
      if (secrets.has(numbers.slice(i, i + runLength).join())) return true;
    }
  }
  return false;
}

/** Expects that no printed form of a value contains a private key. */
export function expectDiscreet(value: unknown): void {
  const shown = inspect(value, { showHidden: true, depth: 10, maxArrayLength: null, maxStringLength: null });
  expect(betrays(shown)).toBe(false);
  const cyclic = new WeakSet();
  const json = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== 'object' || each === null) return typeof each === 'bigint' ? String(each) : each;
    if (cyclic.has(each)) return undefined;
    cyclic.add(each);
    return each;
  }) as string | undefined;
  expect(betrays(json ?? '')).toBe(false);
  if (value instanceof Error) {
    expect(betrays(`${value.message} ${value.stack ?? ''}`)).toBe(false);
    if (value.cause !== undefined) expectDiscreet(value.cause);
  }
}

/** Expects a k4net error of one of these codes that contains no private key, and returns it. */
export async function refused(promise: Promise<unknown>, ...codes: readonly string[]): Promise<K4netError> {
  const reason: unknown = await promise.then(
    () => expect.fail('it should have been rejected'),
    (error: unknown) => error,
  );
  expect(K4netError.is(reason), `${String(reason)} is no error of the library`).toBe(true);
  const error = reason as K4netError;
  if (codes.length > 0) expect(codes, error.message).toContain(error.code);
  expectDiscreet(error);
  return error;
}

/** 'ok' if a promise resolves, otherwise the code of the error. */
export function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (reason: unknown) => {
      if (!K4netError.is(reason)) return `untyped: ${String(reason)}`;
      expectDiscreet(reason);
      return reason.code;
    },
  );
}
