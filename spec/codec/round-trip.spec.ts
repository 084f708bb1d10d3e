import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
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
    fc.assert(
      fc.property(samples, fc.nat(), fc.nat(255), ({ codec: of, value }, place, byte) => {
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
