import { describe, expect, it } from 'vitest';
import type { Codec } from '../../lib/codec/codec.js';
import * as codec from '../../lib/codec/combinators.js';

const person = codec.struct({ id: codec.uint8, name: codec.string, tag: codec.optional(codec.bool) });
const people = codec.struct({ items: codec.array(person) });
const shape = codec.union('type', { circle: { r: codec.uint8 }, dot: {} });
const circle: unknown[] = [];
circle.push(circle);

describe('encode', () => {
  const rows: [string, Codec<never, unknown>, unknown, typeof TypeError | typeof RangeError, string][] = [
    [
      'a number too large',
      codec.uint8,
      256,
      RangeError,
      'the value: a ubyte must be a whole number from 0 to 255',
    ],
    ['a fraction', codec.int32, 1.5, RangeError, 'the value: an int must be a whole number'],
    ['text for a number', codec.int32, '1', TypeError, 'the value: an int must be a number, not string'],
    [
      'a float that is too large',
      codec.float16,
      1e6,
      RangeError,
      'the value: a half float must be a number from -65504',
    ],
    ['a bigint that is too large', codec.uint64, 2n ** 64n, RangeError, 'the value: a ulonglong'],
    ['a number for a bool', codec.bool, 1, TypeError, 'the value: a bool must be a boolean, not number'],
    ['a number for text', codec.string, 1, TypeError, 'the value: text must be a string, not number'],
    ['half a surrogate pair', codec.string, 'a\ud800', RangeError, 'the value: utf-8 has no character'],
    [
      'an array for bytes',
      codec.bytes,
      [1],
      TypeError,
      'the value: bytes must be a Uint8Array, not an array',
    ],
    [
      'too many fixed bytes',
      codec.fixedBytes(2),
      new Uint8Array(3),
      RangeError,
      'the value: fixedBytes(2) must have 2 bytes, not 3',
    ],
    ['a number for a date', codec.date, 0, TypeError, 'the value: a date must be a Date, not number'],
    ['an invalid date', codec.date, new Date(Number.NaN), RangeError, 'the value: a date must be valid'],
    ['a function for JSON', codec.json, () => 1, TypeError, 'the value: JSON cannot represent function'],
    ['a bigint for JSON', codec.json, [1n], TypeError, 'the value: '],
    ['undefined for JSON', codec.json, undefined, TypeError, 'the value: JSON cannot represent undefined'],
    ['circular JSON', codec.json, circle, TypeError, 'the value: '],
    [
      'JSON that is too deep',
      codec.json,
      JSON.parse('['.repeat(65) + ']'.repeat(65)),
      RangeError,
      'the value: the JSON value is nested deeper than 64 levels',
    ],
    [
      'something for nothing',
      codec.nothing,
      null,
      TypeError,
      'the value: codec.nothing accepts only undefined, not null',
    ],
    [
      'text for an array',
      codec.array(codec.string),
      'ab',
      TypeError,
      'the value: an array must be an array, not string',
    ],
    ['a hole in an array', codec.array(codec.uint8), [1, , 3], TypeError, 'the value, [1]: a ubyte'],
    [
      'too few places',
      codec.tuple([codec.uint8, codec.uint8]),
      [1],
      TypeError,
      'a tuple must have 2 values, not 1',
    ],
    ['a wrong place', codec.tuple([codec.uint8, codec.bool]), [1, 1], TypeError, 'the value, [1]: a bool'],
    [
      'an object for a map',
      codec.map(codec.string, codec.bool),
      {},
      TypeError,
      'a map must be a Map, not Object',
    ],
    [
      'a wrong entry',
      codec.map(codec.uint8, codec.bool),
      new Map([[1, 2]]),
      TypeError,
      'the value, [0]: a bool',
    ],
    [
      'a Map for a record',
      codec.record(codec.bool),
      new Map(),
      TypeError,
      'a record must be an object, not Map',
    ],
    [
      'an array for a record',
      codec.record(codec.bool),
      [],
      TypeError,
      'a record must be an object, not an array',
    ],
    ['null for a record', codec.record(codec.bool), null, TypeError, 'a record must be an object, not null'],
    [
      'a wrong value of a record',
      codec.record(codec.bool),
      { 'x y': 1 },
      TypeError,
      'the value, ["x y"]: a bool',
    ],
    ['null for a struct', person, null, TypeError, 'the value: a struct must be an object, not null'],
    [
      'a missing field',
      person,
      { id: 1 },
      TypeError,
      'the value, name: text must be a string, not undefined',
    ],
    [
      'null for what may be missing',
      person,
      { id: 1, name: '', tag: null },
      TypeError,
      'the value, tag: a bool',
    ],
    [
      'a field in an array',
      people,
      {
        items: [
          { id: 1, name: '' },
          { id: 999, name: '' },
        ],
      },
      RangeError,
      'the value, items[1].id: a ubyte must be a whole number from 0 to 255, not 999',
    ],
    [
      'a case that is not there',
      shape,
      { type: 'square' },
      RangeError,
      "must be one of 'circle', 'dot', not 'square'",
    ],
    ['no case', shape, {}, TypeError, "the 'type' of a union must be a string, not undefined"],
    ['null for a union', shape, null, TypeError, 'a union must be an object, not null'],
    ['a wrong field of a case', shape, { type: 'circle', r: -1 }, RangeError, 'the value, r: a ubyte'],
    [
      'a name that is not there',
      codec.enumeration('a', 'b'),
      'toString',
      RangeError,
      "must be one of 'a', 'b', not",
    ],
    [
      'a number for a name',
      codec.enumeration('a', 'b'),
      0,
      TypeError,
      'an enumeration must be a string, not number',
    ],
  ];

  it.each(rows)('rejects %s and names the part', (_name, of, value, type, message) => {
    const attempt = (): Uint8Array => codec.encode(of as Codec<unknown>, value);
    expect(attempt).toThrow(type);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ cause: expect.any(type) as unknown }));
  });

  it('passes on the error of a getter unchanged', () => {
    const mine = new Error('mine');
    const value = {
      id: 1,
      get name(): string {
        throw mine;
      },
    };
    expect(() => codec.encode(person, value)).toThrow(mine);
  });

  it('rejects a collection that changes while it is encoded', () => {
    const list = [1, 2];
    const growing: Codec<number> = {
      encode(writer, value) {
        writer.writeUint8(value);
        if (list.length < 5) list.push(value);
      },
      decode: (reader) => reader.readUint8(),
    };
    expect(() => codec.encode(codec.array(growing), list)).toThrow(/the array was changed/);
    const entries = new Map([[1, 1]]);
    const adding: Codec<number> = {
      encode(writer, value) {
        writer.writeUint8(value);
        if (entries.size < 5) entries.set(entries.size + 1, 1);
      },
      decode: (reader) => reader.readUint8(),
    };
    expect(() => codec.encode(codec.map(adding, codec.uint8), entries)).toThrow(/the map was changed/);
  });
});

describe('the definition of a codec', () => {
  const no = undefined as never;
  const schema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: 1 }) } } as never;
  const rows: [string, () => unknown, typeof TypeError | typeof RangeError, RegExp][] = [
    [
      'an array of nothing at all',
      () => codec.array(no),
      TypeError,
      /element of an array must be a codec or a schema, not undefined/,
    ],
    [
      'a map with a schema for its keys',
      () => codec.map(schema, codec.bool),
      TypeError,
      /the key of a map must be a codec, not Object/,
    ],
    [
      'a tuple without a list',
      () => codec.tuple(codec.bool as never),
      TypeError,
      /codecs of a tuple must be an array/,
    ],
    [
      'a tuple with a gap',
      () => codec.tuple([codec.bool, no]),
      TypeError,
      /place 1 of a tuple must be a codec/,
    ],
    [
      'a map of text',
      () => codec.map(codec.string, 'text' as never),
      TypeError,
      /value of a map must be a codec or a schema, not string/,
    ],
    [
      'a struct of nothing',
      () => codec.struct(no),
      TypeError,
      /the fields of a struct must be an object, not undefined/,
    ],
    ['a struct of an array', () => codec.struct([] as never), TypeError, /must be an object, not an array/],
    [
      'a struct with a gap',
      () => codec.struct({ a: no }),
      TypeError,
      /the field 'a' of a struct must be a codec/,
    ],
    [
      'a struct with __proto__',
      () => codec.struct({ ['__proto__']: codec.bool }),
      TypeError,
      /field '__proto__'/,
    ],
    ['a union without a tag', () => codec.union(no, {}), TypeError, /the tag of a union must be a string/],
    ['a union with a bad tag', () => codec.union('__proto__', { a: {} }), TypeError, /cannot be '__proto__'/],
    [
      'a union of nothing',
      () => codec.union('type', no),
      TypeError,
      /the cases of a union must be an object/,
    ],
    ['a union without cases', () => codec.union('type', {}), RangeError, /1 to 256 cases, not 0/],
    [
      'a case of nothing',
      () => codec.union('type', { a: no }),
      TypeError,
      /fields of the case 'a' must be an object/,
    ],
    [
      'a case with the tag',
      () => codec.union('t', { a: { t: codec.bool } }),
      TypeError,
      /field 't', which is the tag/,
    ],
    ['an empty enumeration', () => codec.enumeration(), RangeError, /1 to 256 strings, not 0/],
    [
      'a long enumeration',
      () => codec.enumeration(...Array.from({ length: 257 }, String)),
      RangeError,
      /1 to 256 strings, not 257/,
    ],
    [
      'an enumeration of numbers',
      () => codec.enumeration(1 as never),
      TypeError,
      /made of strings, not of number/,
    ],
    ['a name that comes twice', () => codec.enumeration('a', 'a'), TypeError, /'a' twice/],
    [
      'fixed bytes without a size',
      () => codec.fixedBytes(no),
      TypeError,
      /size of fixedBytes must be a number/,
    ],
    ['fixed bytes of a bad size', () => codec.fixedBytes(-1), RangeError, /from 0 to 4294967295, not -1/],
    ['optional nothing', () => codec.optional(no), TypeError, /value of optional must be a codec/],
    [
      'nullable nothing',
      () => codec.nullable({} as never),
      TypeError,
      /value of nullable must be a codec or a schema, not Object/,
    ],
    [
      'lazy without a function',
      () => codec.lazy(codec.bool as never),
      TypeError,
      /argument of lazy must be a function/,
    ],
    [
      'lazy without a codec',
      () =>
        codec.encode(
          codec.lazy(() => no),
          1,
        ),
      TypeError,
      /codec of lazy must be a codec/,
    ],
    [
      'a bad minSize',
      () => codec.tuple([{ ...codec.bool, minSize: -1 }]),
      RangeError,
      /minSize of place 0 .* not -1/,
    ],
    [
      'a request of nothing',
      () => codec.request(no, codec.bool),
      TypeError,
      /argument of a request must be a codec or a/,
    ],
    [
      'a request for nothing',
      () => codec.request(codec.bool, no),
      TypeError,
      /answer of a request must be a codec or a/,
    ],
  ];

  it.each(rows)('rejects %s', (_name, make, type, message) => {
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  it('accepts 256 names', () => {
    const names = Array.from({ length: 256 }, (_, index) => `n${index}`);
    const of = codec.enumeration(...names);
    expect(codec.decode(of, codec.encode(of, 'n255'))).toBe('n255');
  });
});

describe('a codec of the program itself', () => {
  const date: Codec<Date> = {
    minSize: 8,
    encode(writer, value) {
      codec.float64.encode(writer, value.getTime());
    },
    decode(reader) {
      const time = reader.readDouble();
      if (Number.isNaN(time)) throw new Error(`no date: ${time}`);
      return new Date(time);
    },
  };

  it('can be used like a built-in codec', () => {
    const of = codec.struct({ dates: codec.array(date), first: codec.optional(date) });
    const value = { dates: [new Date(0), new Date(1e12)], first: new Date(5) };
    expect(codec.decode(of, codec.encode(of, value))).toEqual(value);
  });

  it('may throw anything: the DecodeError has it as its cause and does not quote it', () => {
    const nan = codec.encode(codec.array(codec.float64), [1, NaN]);
    const attempt = (): unknown => codec.decode(codec.array(date), nan);
    expect(attempt).toThrow(/^the payload does not decode at offset 20 \(\[1\]\): decoding it threw Error$/);
    expect(attempt).toThrow(expect.objectContaining({ path: '[1]', cause: new Error('no date: NaN') }));
  });

  it('has a minSize of one byte by default', () => {
    const empty: Codec<undefined> = { encode: () => undefined, decode: () => undefined };
    // The bytes bound the count in any case, and the sender fails before it sends.
    expect(() => codec.decode(codec.array(empty), Uint8Array.of(2, 0, 0, 0, 9))).toThrow(
      /cannot read 2 bytes/,
    );
    expect(() => codec.encode(codec.array(empty), [undefined])).toThrow(/wrote fewer bytes than its minSize/);
  });

  it('may decode a payload inside the payload', () => {
    const inner = codec.struct({ flag: codec.bool });
    const boxed: Codec<{ flag: boolean }> = {
      minSize: 4,
      encode(writer, value) {
        codec.bytes.encode(writer, codec.encode(inner, value));
      },
      decode: (reader) => codec.decode(inner, codec.bytes.decode(reader)),
    };
    const of = codec.array(boxed);
    expect(codec.decode(of, codec.encode(of, [{ flag: true }]))).toEqual([{ flag: true }]);
    expect(() => codec.decode(of, Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 2))).toThrow(
      expect.objectContaining({
        path: '[0]',
        cause: expect.objectContaining({ path: 'flag', offset: 0 }) as unknown,
      }),
    );
  });

  it('may try one codec and then another: only the last failure is reported', () => {
    const either: Codec<unknown> = {
      encode: () => undefined,
      decode(reader) {
        const start = reader.tell();
        try {
          return codec.struct({ first: codec.bool }).decode(reader);
        } catch {
          reader.seek(start);
          return codec.struct({ second: codec.enumeration('x') }).decode(reader);
        }
      },
    };
    expect(() => codec.decode(either, Uint8Array.of(2))).toThrow(expect.objectContaining({ path: 'second' }));
  });
});
