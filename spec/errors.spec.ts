import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, it } from 'vitest';
import * as errors from '../lib/errors.js';
import { K4netError, type K4netErrorCode, type K4netErrorOf } from '../lib/errors.js';
import { root } from './support/dist.js';

/** The codes that stand for a class, as `K4netError.is` narrows them. */
const classes = {
  K4NET_TOO_LARGE: errors.TooLargeError,
  K4NET_TIMEOUT: errors.TimeoutError,
  K4NET_END_OF_DATA: errors.EndOfDataError,
  K4NET_KEY_MISMATCH: errors.KeyMismatchError,
  K4NET_PEER_ALERT: errors.PeerAlertError,
  K4NET_FILE: errors.FileError,
  K4NET_REMOTE: errors.RemoteError,
  K4NET_DECODE: errors.DecodeError,
};
type Classes = typeof classes;

describe('K4netError.is with a code', () => {
  it('narrows to the class of that code', () => {
    const error: unknown = new errors.KeyMismatchError('one', 'other');
    expect.assertions(1);
    if (K4netError.is(error, 'K4NET_KEY_MISMATCH')) {
      expectTypeOf(error).toExtend<errors.KeyMismatchError>();
      expectTypeOf(error.code).toEqualTypeOf<'K4NET_KEY_MISMATCH'>();
      expect(error.expected + error.actual).toBe('oneother');
    }
    expectTypeOf<{ [Code in keyof Classes]: K4netErrorOf<Code> }>().toExtend<{
      [Code in keyof Classes]: InstanceType<Classes[Code]>;
    }>();
  });

  it('narrows a code without a class of its own to that code', () => {
    const error: unknown = new K4netError('K4NET_CLOSED', 'x');
    expect.assertions(1);
    if (K4netError.is(error, 'K4NET_CLOSED')) {
      expectTypeOf(error.code).toEqualTypeOf<'K4NET_CLOSED'>();
      expectTypeOf(error).not.toExtend<errors.RemoteError>();
      expect(error.code).toBe('K4NET_CLOSED');
    }
  });

  it('narrows a variable code to every class that it can stand for', () => {
    const code = 'K4NET_FILE' as K4netErrorCode;
    const error: unknown = new errors.FileError('path', 'is not there');
    expect.assertions(1);
    if (K4netError.is(error, code) && error.code === 'K4NET_FILE') {
      expectTypeOf(error).toExtend<errors.FileError>();
      expect(error.path).toBe('path');
    }
  });
});

describe('K4netError.is without a code', () => {
  it('narrows to the base class', () => {
    const error: unknown = new errors.TimeoutError('x', 1);
    expect.assertions(1);
    if (K4netError.is(error)) {
      expectTypeOf(error).toEqualTypeOf<K4netError>();
      expect(error.code).toBe('K4NET_TIMEOUT');
    }
  });
});

describe('a code with a class', () => {
  it('is carried by errors of that class only, everywhere in the library', async () => {
    const lib = join(root, 'lib');
    const names = await readdir(lib, { recursive: true });
    const made: string[] = [];
    for (const name of names.filter((each) => each.endsWith('.ts'))) {
      const source = await readFile(join(lib, name), 'utf8');
      for (const [, code] of source.matchAll(/\bK4netError\(\s*(?:[^'(]*,\s*)?'(K4NET_\w+)'/g))
        made.push(code!);
    }
    expect(made).toContain('K4NET_MALFORMED');
    expect(made).toContain('K4NET_CONNECTION');
    expect(made.filter((code) => code in classes)).toEqual([]);
  });
});
