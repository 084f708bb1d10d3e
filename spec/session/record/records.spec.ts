import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bytes, concatBytes } from '../../../lib/util/bytes.js';
import { type CipherChoice, chooseBackend } from '../../../lib/crypto/choose-backend.js';
import { K4netError } from '../../../lib/errors.js';
import { ByteQueue } from '../../../lib/util/byte-queue.js';
import { MessageBoundary } from '../../../lib/session/record/message-boundary.js';
import type { ReaderOptions } from '../../../lib/session/record/parser.js';
import { type RecordReader, createReader } from '../../../lib/session/record/reader.js';
import { createPadding } from '../../../lib/session/record/padding.js';
import type { PlannedRecord } from '../../../lib/session/record/format.js';
import { RecordSealer, type SealerOptions } from '../../../lib/session/record/sealer.js';
import { createWriter } from '../../../lib/session/record/writer.js';
import { splitUnits } from '../memory-end.js';
import { framed } from '../pairs.js';

const secret = (fill = 7): Bytes => new Uint8Array(32).fill(fill);
const ciphers = ['node', 'webcrypto'] as const;

function sealer(cipher: CipherChoice, options?: SealerOptions): RecordSealer {
  return new RecordSealer(chooseBackend(cipher), secret(), options);
}

/** The receiving side: what it read, and how it ended. */
class Receiver {
  readonly reader: RecordReader;
  closed = false;
  readonly #chunks: Bytes[] = [];

  constructor(cipher: CipherChoice, options?: ReaderOptions, fill?: number) {
    this.reader = createReader(chooseBackend(cipher), secret(fill), options);
  }

  content(): Bytes {
    return concatBytes(this.#chunks);
  }

  async push(chunk: Bytes): Promise<void> {
    this.reader.add(chunk);
    for (let event = await this.reader.read(); event !== undefined; event = await this.reader.read()) {
      if (event === 'closed') this.closed = true;
      else if (event !== 'confirmed') this.#chunks.push(event);
    }
  }
}

function receiver(cipher: CipherChoice, options?: ReaderOptions, fill?: number): Receiver {
  return new Receiver(cipher, options, fill);
}

const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
const noise = (length: number): Bytes => Uint8Array.from({ length }, (_, index) => (index * 31) & 0xff);

async function codeOf(task: () => unknown): Promise<string> {
  try {
    await task();
  } catch (error) {
    if (K4netError.is(error)) return error.code;
    throw error;
  }
  return 'none';
}

describe('a record sealer', () => {
  it('writes the same bytes with both ciphers', async () => {
    const policies = fc.constantFrom('none', 'padme', 'block:50', 'block:20000');
    await fc.assert(
      fc.asyncProperty(
        fc.array(chunks, { maxLength: 8 }),
        policies,
        fc.integer({ min: 2, max: 9 }),
        async (calls, policy, rekeyRecords) => {
          const padding = createPadding(policy);
          const [one, two] = ciphers.map((cipher) => sealer(cipher, { padding, rekeyRecords, limit: 500 }));
          const written = [];
          for (const own of [one!, two!]) {
            const parts = [];
            for (const call of calls) parts.push(...(await own.stream(call)));
            parts.push(...(await own.rekey()), ...(await own.close()));
            written.push(Buffer.from(concatBytes(parts)).toString('hex'));
          }
          expect(written[0]).toBe(written[1]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([10, 4091, 8188, 8189, 65_532, 65_533, 300_000])(
    'writes the same records for %i bytes in one part or in many',
    async (size) => {
      const data = noise(size);
      const cuts = [[data], [data.subarray(0, 5), data.subarray(5)], pieces(data, 1000), pieces(data, 5000)];
      for (const padding of [createPadding('none'), createPadding('padme')]) {
        const written = [];
        for (const cipher of ciphers) {
          for (const parts of cuts)
            written.push(concatBytes(await sealer(cipher, { padding }).stream(parts)));
        }
        for (const other of written) expect(Buffer.compare(other, written[0]!)).toBe(0);
        for (const cipher of ciphers) {
          const end = receiver(cipher);
          await end.push(written[0]!);
          expect(Buffer.compare(end.content(), data)).toBe(0);
        }
      }
    },
  );

  it('joins the parts of a call into as few records as the limit allows', async () => {
    const own = sealer('node', { limit: 2 ** 14 });
    expect(splitUnits(concatBytes(await own.stream([])))).toEqual([]);
    expect(splitUnits(concatBytes(await own.stream([noise(3), noise(0), noise(4)]))).length).toBe(1);
    const lengths = splitUnits(concatBytes(await own.stream([noise(20_000), noise(20_000)]))).map(
      (unit) => unit.length,
    );
    expect(lengths).toEqual([2 ** 14 + 17, 2 ** 14 + 17, 40_000 - 2 * (2 ** 14 - 4) + 21]);
  });

  it('numbers records when it is called, and settles its promises in order', async () => {
    const own = sealer('webcrypto');
    const order: number[] = [];
    const calls = [noise(200_000), noise(1), noise(70_000), noise(2)];
    const written = await Promise.all(
      calls.map(async (data, index) => {
        const parts = await own.stream([data]);
        order.push(index);
        return concatBytes(parts);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3]);
    const end = receiver('node');
    for (const bytes of written) await end.push(bytes);
    expect(Buffer.compare(end.content(), concatBytes(calls))).toBe(0);
  });

  it('has copied or sealed the parts when the call returns', async () => {
    for (const cipher of ciphers) {
      const part = noise(10_000);
      const pending = sealer(cipher).stream([part]);
      part.fill(0);
      const end = receiver(cipher);
      for (const bytes of await pending) await end.push(bytes);
      expect(Buffer.compare(end.content(), noise(10_000))).toBe(0);
    }
  });

  it('rekeys at the latest with record 2^20 - 1, and with the record that reaches 2^36 bytes', () => {
    const heads = (own: RecordSealer, sizes: number[]) =>
      sizes.map((size) => (own.stream([noise(size)]) as Bytes[])[0]![4]);
    expect(heads(sealer('node', { firstSeq: 2 ** 20 - 2 }), [1, 1, 1])).toEqual([0x40, 0x41, 0x40]);
    expect(heads(sealer('node', { firstBytes: 2 ** 36 - 100 }), [46, 45, 1, 1])).toEqual([
      0x40, 0x40, 0x41, 0x40,
    ]);
    expect(heads(sealer('node', { firstBytes: 2 ** 36 - 100 }), [46, 46, 1])).toEqual([0x40, 0x41, 0x40]);
  });
});

function pieces(data: Bytes, size: number): Bytes[] {
  const cut: Bytes[] = [];
  for (let offset = 0; offset < data.length; offset += size) cut.push(data.subarray(offset, offset + size));
  return cut;
}

describe.each(ciphers)('a record reader with the %s cipher', (cipher) => {
  it('reads records in any segmentation', async () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 20 });
    const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(messages, cuts, async (sent, sizes) => {
        const own = sealer('node', { limit: 300, rekeyRecords: 7, padding: createPadding('block:16') });
        const stream = concatBytes(sent.map(framed));
        const wire = concatBytes([
          ...(await own.stream([stream.subarray(0, 100)])),
          ...(await own.rekey()),
          ...(await own.stream([stream.subarray(100)])),
          ...(await own.close()),
          noise(10),
        ]);
        const end = receiver(cipher);
        for (let offset = 0, turn = 0; offset < wire.length; turn += 1) {
          const size = sizes[turn % sizes.length]!;
          await end.push(wire.slice(offset, offset + size));
          offset += size;
        }
        end.reader.end();
        expect(Buffer.compare(end.content(), stream)).toBe(0);
        expect(end.closed).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('opens large records in any pieces', async () => {
    const data = noise(700_000);
    const wire = concatBytes(await sealer('node', { limit: 2 ** 18 }).stream([data]));
    for (const size of [1, 7, 4095, 4096, 65_536, 262_149, 262_160, wire.length]) {
      const end = receiver(cipher, { limit: 2 ** 18 });
      const all = size === 1 ? pieces(wire.subarray(0, 300_000), 1) : pieces(wire, size);
      for (const piece of all) {
        await end.push(piece);
      }
      const got = end.content();
      expect(Buffer.compare(got, data.subarray(0, got.length))).toBe(0);
      expect(got.length).toBe(size === 1 ? 2 ** 18 - 4 : data.length);
    }
  });

  it('delivers a prefix of the sent bytes, however records are dropped, repeated or changed', async () => {
    const own = sealer('node', { rekeyRecords: 4 });
    const foreign = new RecordSealer(chooseBackend('node'), secret(9));
    const records: Bytes[] = [];
    const stream: Bytes[] = [];
    for (let count = 0; count < 12; count += 1) {
      const data = framed(`message ${count}`);
      stream.push(data);
      records.push(concatBytes(await own.stream([data])));
    }
    const whole = concatBytes(stream);
    const index = fc.integer({ min: 0, max: 11 });
    const meddling = fc.oneof(
      fc.record({ what: fc.constant('drop' as const), at: index, by: index }),
      fc.record({ what: fc.constant('double' as const), at: index, by: index }),
      fc.record({ what: fc.constant('swap' as const), at: index, by: index }),
      fc.record({ what: fc.constant('cut' as const), at: index, by: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ what: fc.constant('flip' as const), at: index, by: fc.integer({ min: 0, max: 250 }) }),
      fc.record({ what: fc.constant('splice' as const), at: index, by: index }),
      fc.record({ what: fc.constant('foreign' as const), at: index, by: index }),
    );
    const other = concatBytes(await foreign.stream([framed('reflected')]));
    await fc.assert(
      fc.asyncProperty(fc.array(meddling, { minLength: 1, maxLength: 3 }), async (steps) => {
        const wire: Bytes[] = records.map((record) => record.slice());
        for (const { what, at: place, by } of steps) {
          // Dropped records leave fewer places.
          const at = place % wire.length;
          const record = wire[at]!;
          if (what === 'drop') wire.splice(at, 1);
          else if (what === 'double') wire.splice(by, 0, record);
          else if (what === 'swap') {
            const partner = by % wire.length;
            [wire[at], wire[partner]] = [wire[partner]!, record];
          } else if (what === 'cut') wire[at] = record.subarray(0, record.length - by);
          else if (what === 'flip' && record.length > 0) record[by % record.length]! ^= 1 << (by % 8);
          else if (what === 'splice')
            wire[at] = concatBytes([record.subarray(0, 20), (wire[by] ?? record).subarray(20)]);
          else wire.splice(at, 0, other);
        }
        const end = receiver(cipher);
        const bytes = concatBytes(wire);
        const code = await codeOf(async () => {
          await end.push(bytes);
          end.reader.end();
        });
        const got = end.content();
        expect(Buffer.compare(got, whole.subarray(0, got.length))).toBe(0);
        expect([
          'K4NET_DECRYPT',
          'K4NET_MALFORMED',
          'K4NET_TOO_LARGE',
          'K4NET_UNEXPECTED',
          'K4NET_TRUNCATED',
        ]).toContain(code);
        // Nothing is looked at after an error.
        await end.push(records[0]!);
        expect(end.content().length).toBe(got.length);
      }),
      {
        numRuns: 150,
        examples: [
          [
            [
              { what: 'drop', at: 0, by: 0 },
              { what: 'drop', at: 0, by: 0 },
              { what: 'cut', at: 11, by: 1 },
            ],
          ],
        ],
      },
    );
  });

  it('accepts record 2^24 - 1 under one key, and refuses the next', async () => {
    const writer = createWriter(chooseBackend('node'), secret());
    const end = receiver(cipher, { firstSeq: 2 ** 24 - 1 });
    await end.push(concatBytes(await writer.write([planned(2 ** 24 - 1)])));
    expect(end.content().length).toBe(3);
    const next = concatBytes(await writer.write([planned(2 ** 24)]));
    expect(await codeOf(() => end.push(next))).toBe('K4NET_UNEXPECTED');
  });

  it('accepts 100 rekeys of the peer in ten seconds, and refuses one more', async () => {
    let now = 0;
    const own = sealer('node');
    const end = receiver(cipher, { now: () => now });
    const change = async () => {
      for (const part of await own.rekey()) await end.push(part);
    };
    for (let count = 0; count < 100; count += 1) await change();
    now = 10_000;
    for (let count = 0; count < 100; count += 1) await change();
    now = 19_999;
    expect(await codeOf(change)).toBe('K4NET_UNEXPECTED');
  });

  it('allocates nothing for an announced length', async () => {
    const end = receiver(cipher, { limit: 2 ** 20 });
    await end.push(new Uint8Array([0, 0, 16, 0]));
    expect(end.reader.pending).toBe(4);
  });

  it('reads nothing after stop()', async () => {
    const end = receiver(cipher);
    end.reader.stop();
    await end.push(noise(100));
    end.reader.end();
    expect([end.content().length, end.reader.pending, end.closed]).toEqual([0, 0, false]);
  });
});

function planned(seq: number): PlannedRecord {
  return { type: 2, content: [noise(3)], contentLength: 3, pad: 0, seq, final: false };
}

describe('the buffers of the record layer', () => {
  it('a byte queue returns its bytes in order, in any sizes', () => {
    const script = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 6000 }), fc.integer({ min: 0, max: 9000 }), fc.boolean()),
    );
    fc.assert(
      fc.property(script, (steps) => {
        const queue = new ByteQueue();
        let given = 0;
        let taken = 0;
        for (const [size, wanted, settle] of steps) {
          queue.push(Uint8Array.from({ length: size }, (_, index) => (given + index) % 251));
          given += size;
          const length = Math.min(wanted, queue.size);
          const got = concatBytes(queue.take(length));
          expect(got.length).toBe(length);
          expect(got.every((byte, index) => byte === (taken + index) % 251)).toBe(true);
          taken += length;
          if (settle) queue.settle();
          expect(queue.size).toBe(given - taken);
          const next = [0, 1, 2, 3].reduce(
            (sum, index) => sum + ((taken + index) % 251) * 2 ** (8 * index),
            0,
          );
          expect(queue.peekLength()).toBe(queue.size < 4 ? undefined : next);
        }
      }),
    );
  });

  it('a message boundary is exactly where a message ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 20 })),
        fc.integer({ min: 1, max: 9 }),
        (messages, size) => {
          const boundary = new MessageBoundary();
          const ends = new Set([0]);
          let total = 0;
          for (const message of messages) ends.add((total += 4 + message.length));
          let seen = 0;
          for (const piece of pieces(concatBytes(messages.map(framed)), size)) {
            boundary.track(piece);
            seen += piece.length;
            expect(boundary.isBetween).toBe(ends.has(seen));
          }
        },
      ),
    );
  });
});
