import { describe, expect, it } from 'vitest';
import { DecodeError, EndOfDataError, K4netError, MalformedError } from '../../lib/errors.js';
import type { Codec } from '../../lib/codec/codec.js';
import * as codec from '../../lib/codec/combinators.js';

/** The error for a payload, given in hexadecimal digits. */
function refusal(of: Codec<never, unknown>, payload: string): DecodeError {
  try {
    codec.decode(of, Uint8Array.from(Buffer.from(payload.replaceAll(' ', ''), 'hex')));
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    expect(K4netError.is(error, 'K4NET_DECODE')).toBe(true);
    return error as DecodeError;
  }
  throw new Error(`${payload} decodes`);
}

interface Tree {
  readonly children: readonly Tree[];
}

const tree: Codec<Tree> = codec.struct({ children: codec.array(codec.lazy(() => tree)) });

const person = codec.struct({ id: codec.uint8, name: codec.string, admin: codec.bool });
const people = codec.struct({ kind: codec.enumeration('a', 'b'), items: codec.array(person) });
const shape = codec.union('type', { circle: { r: codec.uint8 }, text: { text: codec.string } });

describe('decode, given invalid bytes', () => {
  const rows: [
    string,
    Codec<never, unknown>,
    string,
    number,
    string,
    typeof EndOfDataError | typeof MalformedError | undefined,
    RegExp,
  ][] = [
    ['a number that is cut off', codec.uint32, '01 02 03', 0, '', EndOfDataError, /read 4 bytes/],
    [
      'bytes that are left over',
      codec.uint8,
      '01 02 03',
      1,
      '',
      undefined,
      /: 2 bytes are left after the value$/,
    ],
    ['anything for nothing', codec.nothing, '00', 0, '', undefined, /: 1 bytes are left after the value$/],
    ['a bool of 2', codec.bool, '02', 0, '', MalformedError, /a bool must be 0 or 1, not 2$/],
    [
      'a mark of optional that is 2',
      codec.optional(codec.bool),
      '02 00',
      0,
      '',
      MalformedError,
      /0 or 1, not 2$/,
    ],
    [
      'a mark of nullable that is 255',
      codec.nullable(codec.bool),
      'ff 00',
      0,
      '',
      MalformedError,
      /0 or 1, not 255$/,
    ],
    ['an unknown case of a union', shape, '02 00', 0, '', MalformedError, /must be from 0 to 1, not 2$/],
    [
      'an unknown value of an enumeration',
      codec.enumeration('a'),
      '01',
      0,
      '',
      MalformedError,
      /from 0 to 0, not 1$/,
    ],
    [
      'text longer than the data',
      codec.string,
      '03 00 00 00 61 62',
      4,
      '',
      EndOfDataError,
      /only 2 are left$/,
    ],
    [
      'text that is not UTF-8',
      codec.string,
      '02 00 00 00 c3 28',
      4,
      '',
      MalformedError,
      /a string is not UTF-8$/,
    ],
    ['text with an overlong form', codec.string, '02 00 00 00 c0 80', 4, '', MalformedError, /UTF-8$/],
    ['half a surrogate pair', codec.string, '03 00 00 00 ed a0 80', 4, '', MalformedError, /UTF-8$/],
    ['more bytes than there are', codec.bytes, 'ff ff ff ff 00', 4, '', EndOfDataError, /only 1 are left$/],
    ['too few fixed bytes', codec.fixedBytes(4), '01 02 03', 0, '', EndOfDataError, /only 3 are left$/],
    [
      'a date one millisecond too late',
      codec.date,
      '01 00 dc c2 08 b2 1e 00',
      0,
      '',
      MalformedError,
      /a date must be within 8640000000000000 ms of 1970, not 8640000000000001$/,
    ],
    [
      'a date one millisecond too early',
      codec.tuple([codec.bool, codec.date]),
      '01 ff ff 23 3d f7 4d e1 ff',
      1,
      '[1]',
      MalformedError,
      /within 8640000000000000 ms of 1970, not -8640000000000001$/,
    ],
    ['half a date', codec.date, '00 00 00 00', 0, '', EndOfDataError, /only 4 are left$/],
    ['JSON longer than the data', codec.json, '03 00 00 00 31 32', 4, '', EndOfDataError, /only 2 are left$/],
    ['JSON of 4 GiB', codec.json, 'ff ff ff ff 31', 4, '', EndOfDataError, /read 4294967295 bytes/],
    ['JSON without text', codec.json, '00 00 00 00', 4, '', MalformedError, /the text is not JSON$/],
    [
      'JSON that is not UTF-8',
      codec.struct({ a: codec.json }),
      '03 00 00 00 22 ff 22',
      4,
      'a',
      MalformedError,
      /the JSON text is not UTF-8$/,
    ],
    [
      'text that is not JSON',
      codec.array(codec.json),
      '02 00 00 00 01 00 00 00 31 01 00 00 00 7b',
      13,
      '[1]',
      MalformedError,
      /the text is not JSON$/,
    ],
    [
      'JSON with a byte order mark',
      codec.json,
      '04 00 00 00 ef bb bf 31',
      4,
      '',
      MalformedError,
      /not JSON$/,
    ],
    [
      'JSON nested too deep',
      codec.json,
      `41 00 00 00 ${'5b'.repeat(65)}`,
      4,
      '',
      MalformedError,
      /the JSON value is nested deeper than 64 levels$/,
    ],
    [
      'a count over the data',
      codec.array(codec.uint32),
      '02 00 00 00 01 02 03 04 05 06 07',
      4,
      '',
      EndOfDataError,
      /only 7 are left$/,
    ],
    [
      'a count of maps over the data',
      codec.map(codec.uint8, codec.uint8),
      '02 00 00 00 01 02 03',
      4,
      '',
      EndOfDataError,
      /read 4 bytes/,
    ],
    [
      'a count of records over the data',
      codec.record(codec.nothing),
      '01 00 00 00',
      4,
      '',
      EndOfDataError,
      /read 4 /,
    ],
    [
      'a key of a map that comes twice',
      codec.map(codec.uint8, codec.uint8),
      '02 00 00 00 07 00 07 01',
      6,
      '[1]',
      MalformedError,
      /has a key twice$/,
    ],
    [
      'both zeros as keys of a map',
      codec.map(codec.float16, codec.nothing),
      '02 00 00 00 00 00 00 80',
      6,
      '[1]',
      MalformedError,
      /has a key twice$/,
    ],
    [
      'a key of a record that comes twice',
      codec.record(codec.nothing),
      '02 00 00 00 01 00 00 00 61 01 00 00 00 61',
      9,
      '[1]',
      MalformedError,
      /has a key twice$/,
    ],
    [
      'a place of a tuple',
      codec.tuple([codec.uint8, codec.bool]),
      '07 07',
      1,
      '[1]',
      MalformedError,
      /0 or 1, not [27]$/,
    ],
    [
      'a value of a map',
      codec.map(codec.uint8, codec.bool),
      '01 00 00 00 07 07',
      5,
      '[0]',
      MalformedError,
      /0 or 1, not [27]$/,
    ],
    [
      'a field in an array',
      people,
      '01 02 00 00 00 01 00 00 00 00 00 02 00 00 00 00 09',
      16,
      'items[1].admin',
      MalformedError,
      /\(items\[1\]\.admin\): a bool/,
    ],
    ['the field of a case', shape, '01 01 00 00 00 ff', 5, 'text', MalformedError, /UTF-8$/],
    [
      'a name that is no word',
      codec.struct({ 'a b': codec.tuple([codec.bool]) }),
      '02',
      0,
      '["a b"][0]',
      MalformedError,
      /0 or 1, not [27]$/,
    ],
  ];

  it.each(rows)(
    'reports offset, path and cause of %s',
    (_name, of, payload, offset, path, cause, message) => {
      const error = refusal(of, payload);
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`does not decode at offset ${offset}`);
      expect([error.offset, error.path, error.messageName]).toEqual([offset, path, undefined]);
      expect(error.issues).toEqual([]);
      if (cause === undefined) expect(error.cause).toBeUndefined();
      else expect(error.cause).toBeInstanceOf(cause);
    },
  );

  it('counts the offset from the start of the payload, also inside larger data', () => {
    const data = Uint8Array.of(9, 9, 9, 0, 7, 9);
    const of = codec.tuple([codec.bool, codec.bool]);
    expect(() => codec.decode(of, data.subarray(3, 5))).toThrow(expect.objectContaining({ offset: 1 }));
  });
});

describe('nested values', () => {
  const nested = (levels: number): string => '01000000'.repeat(levels) + '00000000';

  it('decode up to 64 levels deep', () => {
    const bytes = Uint8Array.from(Buffer.from(nested(64), 'hex'));
    expect(codec.encode(tree, codec.decode(tree, bytes))).toEqual(bytes);
    const error = refusal(tree, nested(65));
    expect(error.message).toMatch(/the value is nested deeper than 64 levels$/);
    expect(error.offset).toBe(65 * 4);
    expect(error.path).toBe('children[0]' + '.children[0]'.repeat(64));
  });

  it('are counted separately for each payload, also after a failed one', () => {
    for (let round = 0; round < 70; round += 1) refusal(tree, nested(65));
    expect(codec.decode(tree, new Uint8Array(4))).toEqual({ children: [] });
  });

  it('do not exhaust the stack, however deep a payload claims to be', () => {
    expect(refusal(tree, nested(100_000)).message).toMatch(/64 levels/);
    const self: Codec<unknown> = codec.lazy(() => self);
    expect(refusal(self, '00').message).toMatch(/64 levels/);
    const ping: Codec<unknown> = codec.lazy(() => pong);
    const pong: Codec<unknown> = codec.optional(codec.lazy(() => ping));
    expect(refusal(pong, '01'.repeat(10_000)).message).toMatch(/64 levels/);
  });

  it('are a RangeError when sent too deep, so that a circular value fails', () => {
    const deep = (levels: number): Tree => ({ children: levels === 0 ? [] : [deep(levels - 1)] });
    expect(codec.encode(tree, deep(64)).length).toBe(65 * 4);
    expect(() => codec.encode(tree, deep(65))).toThrow(RangeError);
    const circle: { children: Tree[] } = { children: [] };
    circle.children.push(circle);
    expect(() => codec.encode(tree, circle)).toThrow(/deeper than 64 levels/);
  });
});
