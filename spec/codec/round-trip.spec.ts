import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/combinators.js';
import { leaves, samples } from './generated.js';

describe('decode after encode', () => {
  it.each(leaves)('returns the value of $name', ({ codec: of, values }) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.decode(of, codec.encode(of, value))).toEqual(value);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('returns the value of nested codecs', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(samples, ({ name, codec: of, value }) => {
        seen.add(/^\w+/.exec(name)![0]);
        const encoded = codec.encode(of, value);
        expect(encoded.length).toBeGreaterThanOrEqual(of.minSize!);
        expect(codec.decode(of, encoded)).toEqual(value);
      }),
      { numRuns: 500, seed: 2 },
    );
    const combinators = [
      'array',
      'tuple',
      'map',
      'record',
      'struct',
      'union',
      'optional',
      'nullable',
      'lazy',
    ];
    expect([...seen]).toEqual(expect.arrayContaining(combinators));
  });

  it('has one encoding for each value: a decoded value encodes to the same bytes', () => {
    // The same JSON value has many texts.
    const canonical = samples.filter(({ name }) => !name.includes('json'));
    fc.assert(
      fc.property(canonical, fc.nat(), fc.nat(255), ({ codec: of, value }, place, byte) => {
        const encoded = codec.encode(of, value).slice();
        if (encoded.length > 0) encoded[place % encoded.length] = byte;
        let decoded: unknown;
        try {
          decoded = codec.decode(of, encoded);
        } catch {
          return;
        }
        // Not each NaN survives, and a map forgets the sign of zero.
        expect(codec.encode(of, decoded).length).toBe(encoded.length);
      }),
      { numRuns: 300, seed: 3 },
    );
  });
});

describe('codec.date', () => {
  it('has exactly one encoding for each date, and no others', () => {
    const maxTime = 8_640_000_000_000_000n;
    fc.assert(
      fc.property(fc.bigInt({ min: -maxTime - 2n, max: maxTime + 2n }), (time) => {
        const bytes = codec.encode(codec.int64, time);
        if (time < -maxTime || time > maxTime) {
          expect(() => codec.decode(codec.date, bytes)).toThrow(DecodeError);
          return;
        }
        const value = codec.decode(codec.date, bytes);
        expect(value).toEqual(new Date(Number(time)));
        expect(codec.encode(codec.date, value)).toEqual(bytes);
      }),
      {
        numRuns: 200,
        seed: 4,
        examples: [[maxTime], [-maxTime], [maxTime + 1n], [-maxTime - 1n], [0n], [-1n]],
      },
    );
  });
});

describe('codec.json', () => {
  it('sends the result of JSON.stringify', () => {
    const sent = { when: undefined, list: [Number.NaN, -0], lone: '\ud800' };
    const encoded = codec.encode(codec.json, sent);
    expect(new TextDecoder().decode(encoded.subarray(4))).toBe(JSON.stringify(sent));
    expect(codec.decode(codec.json, encoded)).toEqual({ list: [null, 0], lone: '\ud800' });
  });

  it('receives a key of any name as an own property, also __proto__', () => {
    const text = '{"__proto__":{"admin":true},"constructor":1}';
    const value = codec.decode(codec.json, codec.encode(codec.string, text));
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect('admin' in (value as object)).toBe(false);
    expect(codec.encode(codec.json, value)).toEqual(codec.encode(codec.string, text));
  });
});

describe('a decoded value', () => {
  it('lacks the optional fields that were missing', () => {
    const of = codec.struct({ a: codec.optional(codec.uint8), b: codec.optional(codec.uint8) });
    expect(Object.keys(codec.decode(of, codec.encode(of, { b: 1 })))).toEqual(['b']);
    expect(codec.encode(of, { a: undefined, b: 1 })).toEqual(codec.encode(of, { b: 1 }));
  });

  it('has only own properties, also for names that every object inherits', () => {
    const of = codec.struct({
      constructor: codec.optional(codec.uint8),
      toString: codec.optional(codec.uint8),
    });
    expect(codec.decode(of, codec.encode(of, {} as never))).toEqual({});
    expect(Object.keys(codec.decode(of, codec.encode(of, { constructor: 7 } as never)))).toEqual([
      'constructor',
    ]);
  });

  it('is a view of the message for bytes', () => {
    const of = codec.tuple([codec.bytes, codec.fixedBytes(2)]);
    const encoded = codec.encode(of, [Uint8Array.of(1), Uint8Array.of(2, 3)]);
    for (const part of codec.decode(of, encoded)) expect(part.buffer).toBe(encoded.buffer);
  });

  it('is an object without a prototype for a record', () => {
    const of = codec.record(codec.uint8);
    const sent = Object.fromEntries([
      ['__proto__', 1],
      ['toString', 2],
    ]);
    const decoded = codec.decode(of, codec.encode(of, sent));
    expect(Object.getPrototypeOf(decoded)).toBeNull();
    expect(Object.entries(decoded)).toEqual([
      ['__proto__', 1],
      ['toString', 2],
    ]);
    expect('constructor' in decoded).toBe(false);
  });
});
