import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TooLargeError } from '../../../lib/errors.js';
import { FrameDecoder } from '../../../lib/transport/framing/decoder.js';
import { frame, frames, header, unframe } from '../../support/frames.js';
import { pattern, same, sameAll } from '../../support/random.js';

const mib = 1024 * 1024;

/** Cuts a stream at given places, taken modulo its length. */
function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b);
  return [...at, stream.length].map((end, i) => stream.subarray(i === 0 ? 0 : at[i - 1], end));
}

/** Gives a chunk to the decoder and adds the runs that it completes to a list. */
function push(decoder: FrameDecoder, chunk: Uint8Array, runs: Uint8Array[] = [], exclusive = false): void {
  decoder.push(chunk, { addRun: (run) => void runs.push(run) }, exclusive);
}

function decode(
  chunks: Iterable<Uint8Array>,
  decoder: FrameDecoder = new FrameDecoder(16 * mib),
): Uint8Array[] {
  const runs: Uint8Array[] = [];
  for (const chunk of chunks) push(decoder, chunk, runs);
  return runs;
}

function* bytewise(stream: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < stream.length; i += 1) yield stream.subarray(i, i + 1);
}

const sizes = fc.oneof(
  fc.constantFrom(0, 1, 3, 4, 5, 59, 60, 61, 63, 64, 1019, 1020, 1021, 1023, 1024, 1025),
  fc.nat(200),
  fc.nat(9000),
);
const messages = fc
  .array(fc.tuple(sizes, fc.nat(255)), { maxLength: 20 })
  .map((list) => list.map(([size, seed]) => pattern(size, seed)));

/** Counts the bytes that the decoder allocates. */
function watchAllocations(): { bytes: number; count: number } {
  const seen = { bytes: 0, count: 0 };
  const unsafe = Buffer.allocUnsafeSlow.bind(Buffer);
  vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((length) => {
    seen.bytes += length;
    seen.count += 1;
    return unsafe(length);
  });
  return seen;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('FrameDecoder: framing', () => {
  it('finds the same messages wherever the stream is cut', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 60 }), (sent, places) => {
        const decoder = new FrameDecoder(16 * mib);
        expect(sameAll(unframe(decode(cut(frames(sent), places), decoder)), sent)).toBe(true);
        expect(decoder.midFrame).toBe(false);
        expect(decoder.pendingSize).toBeUndefined();
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('finds the same messages in chunks of any one size', () => {
    fc.assert(
      fc.property(messages, fc.constantFrom(1, 2, 3, 4, 5, 7, 64, 1024, 1028, 4096), (sent, size) => {
        const stream = frames(sent);
        const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
          stream.subarray(i * size, (i + 1) * size),
        );
        expect(sameAll(unframe(decode(chunks)), sent)).toBe(true);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('finds the same messages for every cut through a length prefix and its neighbours', () => {
    const sent = [pattern(3, 1), pattern(0), pattern(70, 2), pattern(5, 3)];
    const stream = frames(sent);
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= Math.min(stream.length, first + 9); second += 1) {
        expect(sameAll(unframe(decode(cut(stream, [first, second]))), sent)).toBe(true);
      }
    }
  });

  it('gives out a message as soon as its last byte has arrived', () => {
    const decoder = new FrameDecoder(16 * mib);
    const stream = frames([pattern(0), pattern(1), pattern(30)]);
    const whole: number[] = [];
    let fed = 0;
    for (const chunk of bytewise(stream)) {
      const runs: Uint8Array[] = [];
      push(decoder, chunk, runs);
      fed += 1;
      if (runs.length > 0) whole.push(fed);
    }
    expect(whole).toEqual([4, 9, 43]);
  });

  it('keeps no reference to a chunk that holds only part of a frame', () => {
    // The caller fills the same chunk again.
    const stream = frame(pattern(500));
    const decoder = new FrameDecoder(16 * mib);
    const runs: Uint8Array[] = [];
    const chunk = new Uint8Array(100);
    for (let at = 0; at < stream.length; at += 100) {
      const part = stream.subarray(at, at + 100);
      chunk.set(part);
      push(decoder, chunk.subarray(0, part.length), runs);
    }
    expect(sameAll(unframe(runs), [pattern(500)])).toBe(true);
  });

  it('does not copy whole frames', () => {
    const stream = frames([pattern(10), pattern(20)]);
    const runs = decode([stream]);
    expect(runs).toHaveLength(1);
    expect(runs[0]!.buffer).toBe(stream.buffer);
  });

  it('ignores an empty chunk between and inside frames', () => {
    const stream = frame(pattern(6));
    const empty = new Uint8Array(0);
    const chunks = [
      empty,
      stream.subarray(0, 2),
      empty,
      stream.subarray(2, 7),
      empty,
      stream.subarray(7),
      empty,
    ];
    expect(sameAll(unframe(decode(chunks)), [pattern(6)])).toBe(true);
  });
});

describe('FrameDecoder: maxSize', () => {
  it('accepts a message of exactly maxSize and rejects one byte more', () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(50), (limit, chunk) => {
        const feed = (size: number): Uint8Array[] => {
          const stream = frame(pattern(size));
          const step = chunk + 1;
          const chunks = Array.from({ length: Math.ceil(stream.length / step) }, (_, i) =>
            stream.subarray(i * step, (i + 1) * step),
          );
          return decode(chunks, new FrameDecoder(limit));
        };
        expect(sameAll(unframe(feed(limit)), [pattern(limit)])).toBe(true);
        expect(() => feed(limit + 1)).toThrow(TooLargeError);
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  it('accepts empty messages when maxSize is 0', () => {
    expect(unframe(decode([frames(['', ''])], new FrameDecoder(0)))).toHaveLength(2);
    expect(() => decode([frame('x')], new FrameDecoder(0))).toThrow(TooLargeError);
  });

  it('accepts the largest length prefix when maxSize is 4294967295', () => {
    const decoder = new FrameDecoder(0xffff_ffff);
    decode([header(0xffff_ffff)], decoder);
    expect(decoder.pendingSize).toBe(0xffff_ffff);
  });

  it('rejects a message over maxSize, with both sizes, before it allocates a byte for the body', () => {
    const seen = watchAllocations();
    for (const chunks of [[header(0xffff_ffff)], [...bytewise(header(0xffff_ffff))]]) {
      let thrown: unknown;
      try {
        decode(chunks, new FrameDecoder(16 * mib));
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(TooLargeError);
      expect(thrown).toMatchObject({ code: 'K4NET_TOO_LARGE', size: 0xffff_ffff, limit: 16 * mib });
    }
    expect(seen.bytes).toBe(0);
  });

  it('rejects no message before its length prefix is whole', () => {
    const decoder = new FrameDecoder(1);
    expect(decode([header(0xffff_ffff).subarray(0, 3)], decoder)).toEqual([]);
    expect(decoder.midFrame).toBe(true);
    expect(decoder.pendingSize).toBeUndefined();
    expect(() => {
      push(decoder, new Uint8Array([0xff]));
    }).toThrow(TooLargeError);
  });

  it('gives out the whole frames before a length prefix over maxSize, wherever the stream is cut', () => {
    const sent = [pattern(3), pattern(0), pattern(100)];
    const stream = Uint8Array.from([...frames(sent), ...header(1001), 1, 2, 3]);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (places) => {
        const runs: Uint8Array[] = [];
        const decoder = new FrameDecoder(1000);
        expect(() => {
          for (const chunk of cut(stream, places)) push(decoder, chunk, runs);
        }).toThrow(TooLargeError);
        expect(sameAll(unframe(runs), sent)).toBe(true);
      }),
      { seed: 4, numRuns: 200 },
    );
  });
});

describe('FrameDecoder: memory', () => {
  it('allocates at most 1 KiB for the length prefix of a 16 MiB message', () => {
    const seen = watchAllocations();
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 64 }, () => new FrameDecoder(16 * mib));
    for (const decoder of decoders) decode([header(16 * mib)], decoder);
    expect(seen.bytes).toBeLessThanOrEqual(64 * 1024);
    // The total of the process covers every other way to allocate.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(mib);
    expect(decoders.every((decoder) => decoder.pendingSize === 16 * mib)).toBe(true);
  });

  it('holds at most 64 times the received bytes at any moment', () => {
    const seen = watchAllocations();
    const decoder = new FrameDecoder(16 * mib);
    const stream = frame(pattern(4 * mib));
    let fed = 0;
    for (let at = 0; at < stream.length; at += 1000) {
      const before = seen.bytes;
      decode([stream.subarray(at, at + 1000)], decoder);
      fed = Math.min(stream.length, at + 1000);
      expect(seen.bytes - before).toBeLessThanOrEqual(Math.max(1024, 64 * fed));
    }
    // Buffers grow by a factor, and the last one is as long as the frame.
    expect(seen.bytes).toBeLessThan(stream.length * 2.2);
  });

  it('gathers 1 MiB that arrives byte by byte with at most 5 allocations', () => {
    const seen = watchAllocations();
    const body = pattern(mib);
    const runs = decode(bytewise(frame(body)));
    expect(runs).toHaveLength(1);
    expect(same(runs[0]!.subarray(4), body)).toBe(true);
    expect(seen.count).toBeGreaterThan(0);
    expect(seen.count).toBeLessThanOrEqual(5);
    expect(seen.bytes).toBeLessThan(2.2 * mib);
  });

  it('makes the buffer of a gathered run exactly as long as the run', () => {
    for (const size of [0, 1, 1000, 1024, 5000, 70_000]) {
      const [run] = decode(bytewise(frame(pattern(size))));
      expect(run!.buffer.byteLength).toBe(size + 4);
    }
  });
});

describe('FrameDecoder: state', () => {
  it('updates midFrame and pendingSize with every byte', () => {
    const decoder = new FrameDecoder(16 * mib);
    const states = [...bytewise(frames([pattern(2), pattern(0)]))].map((chunk) => {
      decode([chunk], decoder);
      return [decoder.midFrame, decoder.pendingSize];
    });
    const open = (size?: number) => [true, size];
    const shut = [false, undefined];
    expect(states).toEqual([open(), open(), open(), open(2), open(2), shut, open(), open(), open(), shut]);
  });

  it('reports only the unfinished message, not earlier ones of the same chunk', () => {
    const decoder = new FrameDecoder(16 * mib);
    decode([Uint8Array.from([...frame(pattern(9)), ...header(77), 1])], decoder);
    expect(decoder.midFrame).toBe(true);
    expect(decoder.pendingSize).toBe(77);
  });
});

describe('FrameDecoder: exclusive chunks', () => {
  const kib = 1024;
  /** Gives a copy of the bytes to the decoder and returns whether the decoder freed it. */
  const frees = (decoder: FrameDecoder, runs: Uint8Array[], bytes: Uint8Array, exclusive = true): boolean => {
    const chunk = bytes.slice();
    push(decoder, chunk, runs, exclusive);
    return chunk.length === 0;
  };

  it('frees a chunk when every byte was copied', () => {
    const sent = [pattern(100 * kib, 1), pattern(100 * kib, 2)];
    const stream = frames(sent);
    const decoder = new FrameDecoder(16 * mib);
    const runs: Uint8Array[] = [];
    const freed: boolean[] = [];
    for (let at = 0; at < stream.length; at += 32 * kib) {
      freed.push(frees(decoder, runs, stream.subarray(at, at + 32 * kib)));
    }
    // The last one, of 8 KiB and 8 bytes, is below the size that is worth freeing.
    expect(freed).toEqual([true, true, true, true, true, true, false]);
    expect(sameAll(unframe(runs), sent)).toBe(true);
  });

  it.each([
    { what: 'keeps a chunk when whole frames fill half of it', size: 22 * kib, freed: false },
    {
      what: 'copies whole frames that fill a small part of a chunk, and frees it',
      size: 1000,
      freed: true,
    },
  ])('$what, at either end or between two partial frames', ({ size, freed }) => {
    const whole = pattern(size, 3);
    const half = frame(pattern(40 * kib, 4));
    for (const [before, after] of [
      [0, 20 * kib],
      [20 * kib, 0],
      [10 * kib, 10 * kib],
    ] as const) {
      const decoder = new FrameDecoder(16 * mib);
      const runs: Uint8Array[] = [];
      if (before > 0) frees(decoder, runs, half.subarray(0, half.length - before));
      const joined = new Uint8Array([
        ...half.subarray(half.length - before),
        ...frame(whole),
        ...half.subarray(0, after),
      ]);
      expect(frees(decoder, runs, joined)).toBe(freed);
      expect(sameAll(unframe(runs).slice(-1), [whole])).toBe(true);
    }
  });

  it('frees a padded record after it copied the few bytes of its content', () => {
    const record = new Uint8Array(256 * kib);
    const content = record.subarray(4, 12);
    content.set(frame('text'));
    const runs: Uint8Array[] = [];
    push(new FrameDecoder(16 * mib), content, runs, true);
    expect(record.length).toBe(0);
    expect(sameAll(unframe(runs), [Buffer.from('text')])).toBe(true);
    expect(runs[0]?.buffer.byteLength).toBe(8);
  });

  it('keeps chunks that are not exclusive, shorter than 16 KiB, or over maxSize', () => {
    const long = frame(pattern(100 * kib));
    expect(frees(new FrameDecoder(16 * mib), [], long.subarray(0, 50 * kib), false)).toBe(false);
    expect(frees(new FrameDecoder(16 * mib), [], long.subarray(0, 16 * kib - 1))).toBe(false);
    expect(frees(new FrameDecoder(16 * mib), [], long.subarray(0, 16 * kib))).toBe(true);
    const chunk = long.slice();
    expect(() => {
      push(new FrameDecoder(50 * kib), chunk, [], true);
    }).toThrow(TooLargeError);
    expect(chunk.length).toBe(long.length);
  });
});
