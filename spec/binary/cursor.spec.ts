import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEEK_CUR, SEEK_END, SEEK_SET } from '../../lib/binary/cursor.js';
import { BinaryEditor } from '../../lib/binary/editor.js';
import { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { EndOfDataError, K4netError } from '../../lib/errors.js';
import { call, cases, hex, thrownBy } from './cases.js';

describe('BinaryReader', () => {
  it('reads a part of a larger buffer in place, without a copy', () => {
    const all = Uint8Array.of(9, 9, 1, 2, 3, 4, 9);
    const reader = new BinaryReader(all.subarray(2, 6));
    expect(reader.length).toBe(4);
    const view = reader.read(2);
    all[2] = 7;
    expect([...view]).toEqual([7, 2]);
    expect(reader.readShort()).toBe(0x0403);
    expect(() => reader.readByte()).toThrow(EndOfDataError);
    expect(reader.data).toEqual(Uint8Array.of(7, 2, 3, 4));
  });

  it('accepts an ArrayBuffer and a Buffer, and returns plain views of both', () => {
    expect(new BinaryReader(Uint8Array.of(1, 2).buffer).readShort()).toBe(0x0201);
    const reader = new BinaryReader(Buffer.from([1, 2, 3]));
    for (const view of [reader.data, reader.read(1), reader.readChar(), reader.readCharArray(1)]) {
      expect(view.constructor).toBe(Uint8Array);
    }
    for (const bad of [undefined, null, 'x', [1], new DataView(new ArrayBuffer(1))]) {
      expect(() => new BinaryReader(bad as never)).toThrow(TypeError);
    }
  });

  it('reads a number of bytes, or all remaining ones', () => {
    const reader = new BinaryReader(Uint8Array.of(1, 2, 3));
    expect([...reader.read(0)]).toEqual([]);
    expect([...reader.read(1)]).toEqual([1]);
    expect(reader.remaining).toBe(2);
    expect(thrownBy(() => reader.read(3))).toMatchObject({ offset: 1, wanted: 3, available: 2 });
    expect([...reader.read()]).toEqual([2, 3]);
    expect([...reader.read()]).toEqual([]);
    for (const bad of [-1, 0.5, NaN, Infinity]) expect(() => reader.read(bad)).toThrow(RangeError);
    expect(() => reader.read('1' as never)).toThrow(TypeError);
  });

  it('seeks and aligns only inside the data', () => {
    const reader = new BinaryReader(new Uint8Array(10));
    expect(reader.seek(3)).toBe(3);
    expect(reader.seek(2, SEEK_CUR)).toBe(5);
    expect(reader.seek(-1, SEEK_END)).toBe(9);
    expect(reader.seek(0, SEEK_SET)).toBe(0);
    expect(reader.seek(10)).toBe(10);
    expect(reader.seek(5)).toBe(5);
    expect(reader.align()).toBe(8);
    expect(reader.align()).toBe(8);
    expect(reader.align(5)).toBe(10);
    expect(thrownBy(() => reader.align())).toMatchObject({ offset: 10, wanted: 2, available: 0 });
    expect(thrownBy(() => reader.seek(11))).toBeInstanceOf(EndOfDataError);
    expect(thrownBy(() => reader.seek(1, SEEK_END))).toBeInstanceOf(EndOfDataError);
    expect(reader.tell()).toBe(10);
  });
});

describe.each([
  ['reader', () => new BinaryReader(new Uint8Array(10))],
  ['writer', () => new BinaryWriter(new Uint8Array(10))],
  ['editor', () => new BinaryEditor(new Uint8Array(10))],
])('wrong arguments of %s', (_name, make) => {
  it('are rejected and do not move the position', () => {
    const target = make();
    target.seek(4);
    for (const bad of [-5, 0.5, NaN, Infinity, Number.MAX_SAFE_INTEGER]) {
      expect(() => target.seek(bad, SEEK_CUR)).toThrow(RangeError);
    }
    expect(() => target.seek(0, 3 as never)).toThrow(
      'whence must be SEEK_SET (0), SEEK_CUR (1) or SEEK_END (2), not 3',
    );
    expect(() => target.seek('1' as never)).toThrow(TypeError);
    for (const bad of [0, -4, 1.5, NaN, Infinity]) expect(() => target.align(bad)).toThrow(RangeError);
    expect(() => target.align(4n as never)).toThrow(TypeError);
    expect(target.tell()).toBe(4);
  });
});

describe('BinaryWriter', () => {
  it('starts after a copy of the initial bytes', () => {
    const initial = Uint8Array.of(1, 2);
    const writer = new BinaryWriter(initial);
    initial[0] = 9;
    writer.writeByte(3);
    expect(hex(writer.data)).toBe('010203');
    expect(() => new BinaryWriter('x' as never)).toThrow(TypeError);
  });

  it('overwrites bytes after a seek, and fills a gap with zeros', () => {
    const writer = new BinaryWriter();
    writer.writeUint(0);
    writer.write(Uint8Array.of(1, 2, 3));
    const { length } = writer;
    writer.seek(0);
    writer.writeUint(length - 4);
    expect(hex(writer.data)).toBe('03000000010203');
    writer.seek(2, SEEK_END);
    expect(writer.length).toBe(7);
    writer.write(new Uint8Array(0));
    writer.writeZeros(0);
    expect(writer.length).toBe(7);
    writer.writeByte(-1);
    expect(hex(writer.data)).toBe('030000000102030000ff');
  });

  it('aligns with zeros at the end, and only moves inside the data', () => {
    const writer = new BinaryWriter(Uint8Array.of(1, 2, 3, 4, 5));
    writer.seek(1);
    expect(writer.align()).toBe(4);
    expect(writer.align(8)).toBe(8);
    expect(writer.align(8)).toBe(8);
    expect(hex(writer.data)).toBe('0102030405000000');
    writer.seek(13);
    expect(writer.align()).toBe(16);
    expect(writer.length).toBe(16);
    writer.seek(20);
    expect(writer.align()).toBe(20);
    expect(writer.length).toBe(16);
  });

  it('shows its data in a view until the buffer grows', () => {
    const writer = new BinaryWriter();
    writer.writeByte(1);
    const before = writer.data;
    writer.seek(0);
    writer.writeByte(2);
    expect([...before]).toEqual([2]);
    writer.writeZeros(1000);
    writer.seek(0);
    writer.writeByte(3);
    expect([...before]).toEqual([2]);
  });

  it('copies its own data correctly, also while it grows', () => {
    const writer = new BinaryWriter(Uint8Array.of(1, 2, 3));
    for (let round = 0; round < 6; round += 1) writer.write(writer.data);
    expect(hex(writer.data)).toBe('010203'.repeat(64));
  });

  it('overwrites with zeros', () => {
    const writer = new BinaryWriter(Uint8Array.of(1, 2, 3, 4));
    writer.seek(1);
    writer.writeZeros(2);
    expect(hex(writer.data)).toBe('01000004');
    writer.writeZeros(2);
    expect(hex(writer.data)).toBe('0100000000');
  });

  it.each([
    ['writer', () => new BinaryWriter()],
    ['editor', () => new BinaryEditor()],
  ])('never holds more than 4294967295 bytes (%s)', (_name, make) => {
    const writer = make();
    writer.writeByte(1);
    const limit = 'exceeds the limit of 4294967295 bytes';
    expect(() => {
      writer.writeZeros(2 ** 32 - 1);
    }).toThrow(limit);
    expect(() => {
      writer.writeString('x', { size: 2 ** 40 });
    }).toThrow(limit);
    expect(() => {
      writer.writeStringArray(['x', 'y'], { size: 2 ** 32 });
    }).toThrow(limit);
    expect(() => {
      writer.writeStruct(`${2 ** 32}x`);
    }).toThrow(limit);
    expect(() => writer.align(2 ** 33)).toThrow(limit);
    expect([writer.tell(), hex(writer.data)]).toEqual([1, '01']);
    writer.seek(2 ** 40);
    expect(() => {
      writer.writeByte(1);
    }).toThrow(limit);
    expect([writer.tell(), writer.length]).toEqual([2 ** 40, 1]);
    for (const bad of [-1, 0.5, NaN, Infinity])
      expect(() => {
        writer.writeZeros(bad);
      }).toThrow(RangeError);
    expect(() => {
      writer.writeZeros('1' as never);
    }).toThrow(TypeError);
    for (const bad of ['x', [1], undefined, new ArrayBuffer(1)]) {
      expect(() => {
        writer.write(bad as never);
      }).toThrow(TypeError);
    }
  });
});

describe('BinaryEditor', () => {
  it('is a reader with the methods of the writer', () => {
    const editor = new BinaryEditor(Uint8Array.of(1, 2, 3));
    expect(editor).toBeInstanceOf(BinaryEditor);
    expect(editor).toBeInstanceOf(BinaryReader);
    expect(editor.constructor.name).toBe('BinaryEditor');
    expect([editor.tell(), editor.readByte()]).toEqual([0, 1]);
    editor.writeByte(9);
    expect(hex(editor.data)).toBe('010903');
    class Mine extends BinaryEditor {
      both(): number {
        this.writeByte(5);
        return this.length;
      }
    }
    expect(new Mine(Uint8Array.of(1)).both()).toBe(1);
    expect(() => new BinaryEditor('x' as never)).toThrow(TypeError);
  });

  it('has a copy of the initial bytes', () => {
    const initial = Uint8Array.of(1);
    const editor = new BinaryEditor(initial);
    editor.writeByte(2);
    expect([...initial]).toEqual([1]);
  });

  it('reads nothing past the end', () => {
    const editor = new BinaryEditor(Uint8Array.of(1));
    editor.seek(100);
    expect(editor.remaining).toBe(0);
    expect(editor.read()).toHaveLength(0);
    expect(editor.readString({ size: 0 })).toBe('');
    expect(editor.readStruct('0s 0p 0h')).toEqual([new Uint8Array(0), new Uint8Array(0)]);
    editor.writeString('x', { size: 0 });
    editor.writeStruct('0s', new Uint8Array(1));
    editor.writeStringArray([]);
    editor.writeShortArray([]);
    expect(editor.length).toBe(1);
    expect(thrownBy(() => editor.readByte())).toMatchObject({ offset: 100, wanted: 1, available: 0 });
    expect(thrownBy(() => editor.readString())).toMatchObject({ offset: 100, wanted: 1, available: 0 });
    expect(editor.tell()).toBe(100);
  });

  it('behaves like an array of numbers with a position', () => {
    const small = fc.nat(40);
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const), bytes: fc.uint8Array({ maxLength: 30 }) }),
      fc.record({ do: fc.constant('zeros' as const), n: small }),
      fc.record({ do: fc.constant('seek' as const), n: small }),
      fc.record({ do: fc.constant('align' as const), n: fc.integer({ min: 1, max: 16 }) }),
      fc.record({ do: fc.constant('read' as const), n: small }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.array(step, { maxLength: 60 }), (initial, steps) => {
        const editor = new BinaryEditor(initial);
        const model = [...initial];
        let position = 0;
        const put = (bytes: Iterable<number>): void => {
          for (const byte of bytes) {
            while (model.length < position) model.push(0);
            model[position++] = byte;
          }
        };
        for (const one of steps) {
          if (one.do === 'write') {
            editor.write(one.bytes);
            put(one.bytes);
          } else if (one.do === 'zeros') {
            editor.writeZeros(one.n);
            put(new Uint8Array(one.n));
          } else if (one.do === 'seek') {
            editor.seek(one.n);
            position = one.n;
          } else if (one.do === 'align') {
            editor.align(one.n);
            if (position % one.n !== 0) {
              position = Math.ceil(position / one.n) * one.n;
              while (model.length < position) model.push(0);
            }
          } else if (one.n === 0 || position + one.n <= model.length) {
            expect([...editor.read(one.n)]).toEqual(model.slice(position, position + one.n));
            position += one.n;
          } else {
            expect(() => editor.read(one.n)).toThrow(EndOfDataError);
          }
          expect([editor.tell(), editor.length]).toEqual([position, model.length]);
        }
        expect([...editor.data]).toEqual(model);
      }),
      { numRuns: 200, seed: 4 },
    );
  });
});

describe('a read of hostile bytes', () => {
  const options = fc.record(
    {
      size: fc.nat(6).map((half) => half * 2),
      encoding: fc.constantFrom('utf-8', 'ascii', 'latin1', 'utf-16le', 'shift_jis', null),
      pad: fc.nat(0x3f),
    },
    { requiredKeys: [] },
  );
  const count = fc.oneof(fc.nat(8), fc.constantFrom(2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER));
  const struct = fc
    .array(fc.tuple(fc.nat(5), fc.constantFrom(...Array.from('cbBhHiIlLqQefd?xsp'))), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.map(([times, letter]) => `${times}${letter}`).join(' '));
  const scalar = fc.constantFrom(...cases.map(({ name }) => `read${name}`));
  const operation: fc.Arbitrary<[string, ...unknown[]]> = fc.oneof(
    scalar.map((method): [string] => [method]),
    fc.tuple(
      scalar.map((method) => `${method}Array`),
      count,
    ),
    fc.tuple(fc.constant('readString'), options),
    fc.tuple(
      fc.constant('readStringArray'),
      count,
      options.filter(({ size }) => size !== 0),
    ),
    fc.tuple(fc.constant('readStruct'), struct),
    fc.tuple(
      fc.constant('readStructArray'),
      count,
      struct.map((format) => `${format}b`),
    ),
    fc.tuple(fc.constant('read'), count),
    fc.tuple(fc.constant('seek'), count),
    fc.tuple(fc.constant('align'), fc.integer({ min: 1, max: 2 ** 40 })),
  );

  it('returns a value or throws an EndOfDataError or a MalformedError, and a failure does not move the position', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(operation, { maxLength: 20 }),
        (bytes, operations) => {
          const reader = new BinaryReader(bytes);
          for (const [method, ...args] of operations) {
            const before = reader.tell();
            try {
              call(reader, method, ...args);
              expect(reader.tell()).toBeLessThanOrEqual(bytes.length);
            } catch (error) {
              const typed =
                K4netError.is(error, 'K4NET_END_OF_DATA') || K4netError.is(error, 'K4NET_MALFORMED');
              if (!typed) throw error;
              expect(reader.tell()).toBe(before);
            }
          }
        },
      ),
      { numRuns: 400, seed: 5 },
    );
  });
});
