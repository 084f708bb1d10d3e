import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../lib/errors.js';
import type { Codec } from '../../lib/codec/codec.js';
import * as codec from '../../lib/codec/combinators.js';
import { kinds, samples } from './generated.js';

/** Whether bytes decode; anything but the one error that is allowed is thrown on. */
function decodes(of: Codec<unknown>, bytes: Uint8Array): boolean {
  try {
    codec.decode(of, bytes);
    return true;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    expect(error.offset).toBeGreaterThanOrEqual(0);
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
    return false;
  }
}

// Small numbers are likely counts, tags and flags: noise alone seldom gets past the first of them.
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.array(fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 255), { maxLength: 80 }).map((list) => Uint8Array.from(list)),
);

describe('decode, given hostile bytes', () => {
  it('returns a value or throws a DecodeError, for any codec', () => {
    let accepted = 0;
    fc.assert(
      fc.property(kinds, fc.array(noise, { minLength: 5, maxLength: 5 }), ({ codec: of }, payloads) => {
        for (const payload of payloads) if (decodes(of, payload)) accepted += 1;
      }),
      { numRuns: 250, seed: 11 },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it('does so for a valid payload with a few changes too', () => {
    let refused = 0;
    fc.assert(
      fc.property(
        samples,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
        ({ codec: of, value }, changes) => {
          const bytes = codec.encode(of, value).slice();
          for (const [place, byte] of changes) if (bytes.length > 0) bytes[place % bytes.length] = byte;
          if (!decodes(of, bytes)) refused += 1;
        },
      ),
      { numRuns: 300, seed: 12 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  it('throws a DecodeError for a payload truncated at any byte', () => {
    fc.assert(
      fc.property(samples, ({ codec: of, value }) => {
        const bytes = codec.encode(of, value);
        for (let length = 0; length < Math.min(bytes.length, 60); length += 1) {
          expect(decodes(of, bytes.subarray(0, length))).toBe(false);
        }
        expect(decodes(of, Uint8Array.from([...bytes, 0]))).toBe(false);
      }),
      { numRuns: 60, seed: 13 },
    );
  });
});

describe('a count from the peer', () => {
  /** A codec of one byte that counts how often it is asked. */
  function counting(): { codec: Codec<number>; reads: number } {
    const seen = {
      reads: 0,
      codec: {
        minSize: 2,
        encode: codec.uint16.encode.bind(codec.uint16),
        decode: (reader: Parameters<Codec<number>['decode']>[0]) => {
          seen.reads += 1;
          return reader.readUint16();
        },
      },
    };
    return seen;
  }

  it.each([
    ['array', (part: Codec<number>) => codec.array(part)],
    ['map', (part: Codec<number>) => codec.map(part, codec.nothing)],
    ['record', (part: Codec<number>) => codec.record(part)],
  ])('of an %s are compared with the data before anything is read', (_name, make) => {
    const part = counting();
    const data = new Uint8Array(4 + 100);
    // One more than can be there, and the most that can be said.
    for (const count of [51, 0xffff_ffff]) {
      new DataView(data.buffer).setUint32(0, count, true);
      expect(decodes(make(part.codec) as Codec<unknown>, data)).toBe(false);
    }
    expect(part.reads).toBe(0);
  });

  it('is accepted when it fits the remaining bytes exactly', () => {
    const part = counting();
    const data = new Uint8Array(4 + 100);
    data[0] = 50;
    expect(codec.decode(codec.array(part.codec), data)).toHaveLength(50);
    expect(part.reads).toBe(50);
  });

  it.each([
    ['array', () => codec.array(codec.nothing)],
    ['array', () => codec.array(codec.struct({ a: codec.nothing, b: codec.tuple([]) }))],
    ['array', () => codec.array(codec.fixedBytes(0))],
    ['map', () => codec.map(codec.fixedBytes(0) as unknown as Codec<string>, codec.nothing)],
    [
      'lazy',
      () =>
        codec.encode(
          codec.lazy(() => codec.nothing),
          undefined,
        ),
    ],
  ])('cannot be of things that take no bytes: %s', (_name, make) => {
    expect(make).toThrow(RangeError);
    expect(make).toThrow(/at least one byte/);
  });
});
