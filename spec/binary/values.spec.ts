import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BinaryEditor } from '../../lib/binary/editor.js';
import { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { K4netError } from '../../lib/errors.js';
import { call, cases, hex, thrownBy } from './cases.js';

describe('a value of fixed size', () => {
  it('is tested here for every method of the writer', () => {
    const names: string[] = [];
    for (let layer: unknown = BinaryWriter.prototype; layer !== Object.prototype;) {
      names.push(...Object.getOwnPropertyNames(layer));
      layer = Object.getPrototypeOf(layer);
    }
    const covered = cases.flatMap(({ name }) => [`write${name}`, `write${name}Array`]);
    const others = [
      'write',
      'writeZeros',
      'writeString',
      'writeStruct',
      'writeStringArray',
      'writeStructArray',
    ];
    const all = names.filter((name) => name.startsWith('write'));
    expect(all.sort()).toEqual([...covered, ...others].sort());
    for (const name of all) expect(BinaryEditor.prototype).toHaveProperty(name);
    for (const name of all.filter((name) => name !== 'writeZeros')) {
      expect(BinaryReader.prototype).toHaveProperty(name.replace('write', 'read'));
    }
  });

  it.each(cases)('$name: is read as it was written, alone and in arrays', ({ name, size, values }) => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 20 }), (list) => {
        const one = new BinaryWriter();
        for (const value of list) call(one, `write${name}`, value);
        const many = new BinaryWriter();
        call(many, `write${name}Array`, list);
        expect(hex(many.data)).toBe(hex(one.data));
        expect(one.length).toBe(list.length * size);

        const reader = new BinaryReader(one.data);
        for (const value of list) expect(call(reader, `read${name}`)).toEqual(value);
        reader.seek(0);
        const array = call(reader, `read${name}Array`, list.length);
        const joined = name === 'Char' ? Uint8Array.from(list as Uint8Array[], ([byte]) => byte ?? 0) : list;
        expect(array).toEqual(joined);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  it('is read as it was written at any offset of a larger buffer, in any mixture', () => {
    const step = fc.constantFrom(...cases).chain(({ name, values }) => fc.tuple(fc.constant(name), values));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(9), (steps, before) => {
        const writer = new BinaryWriter(new Uint8Array(before).fill(0xee));
        for (const [name, value] of steps) call(writer, `write${name}`, value);
        const reader = new BinaryReader(writer.data.subarray(before));
        for (const [name, value] of steps) expect(call(reader, `read${name}`)).toEqual(value);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  it.each(cases)('$name: out of range is a RangeError, and nothing is written', (item) => {
    for (const make of [() => new BinaryWriter(), () => new BinaryEditor()]) {
      for (const value of item.outside) {
        const writer = make();
        writer.write(Uint8Array.of(1, 2, 3));
        writer.seek(1);
        const good = fc.sample(item.values, { numRuns: 1, seed: 3 })[0]!;
        const attempts = [
          () => call(writer, `write${item.name}`, value),
          () => call(writer, `write${item.name}Array`, [good, value]),
        ];
        for (const attempt of attempts) {
          expect(attempt).toThrow(RangeError);
          expect([writer.tell(), hex(writer.data)]).toEqual([1, '010203']);
        }
      }
    }
  });

  it('is named in the error with its range and type', () => {
    const writer = new BinaryWriter();
    expect(() => {
      writer.writeShort(40000);
    }).toThrow('a short must be a whole number from -32768 to 32767, not 40000');
    expect(() => {
      writer.writeUint24(-1);
    }).toThrow('a uint24 must be a whole number from 0 to 16777215, not -1');
    expect(() => {
      writer.writeUint64(-1n);
    }).toThrow('from 0 to 18446744073709551615, not -1');
    expect(() => {
      writer.writeInt64(2 ** 60);
    }).toThrow('a longlong must be a bigint or a safe whole number, not 1152921504606847000');
    expect(() => {
      writer.writeFloat(1e39);
    }).toThrow('a float must be a number from -3.4028234663852886e+38 to 3.4028234663852886e+38, not 1e+39');
    expect(() => {
      writer.writeChar('\u3042');
    }).toThrow('not U+3042');
    expect(
      (
        thrownBy(() => {
          writer.writeInt64(10n ** 5000n);
        }) as Error
      ).message.length,
    ).toBeLessThan(200);
  });

  it.each(cases)('$name: of another type is a TypeError that names that type', ({ name }) => {
    const writer = new BinaryWriter();
    for (const value of [undefined, null, {}, [1], Symbol('x'), name === 'Char' ? 1 : 'x']) {
      const kind =
        value === null
          ? 'null'
          : Array.isArray(value)
            ? 'an array'
            : value instanceof Object
              ? 'Object'
              : typeof value;
      const error = thrownBy(() => call(writer, `write${name}`, value));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toHaveProperty('message', expect.stringContaining(kind));
      expect(() => call(writer, `write${name}Array`, [value])).toThrow(TypeError);
    }
    for (const values of [
      '12',
      12,
      undefined,
      null,
      { length: 1 },
      new DataView(new ArrayBuffer(8)),
      new Set([1]),
    ]) {
      expect(() => call(writer, `write${name}Array`, values)).toThrow(TypeError);
    }
    // A hole is undefined too.
    expect(() => call(writer, `write${name}Array`, new Array(1))).toThrow(TypeError);
    expect(writer.length).toBe(0);
  });

  it('of 64 bits can be a bigint or a safe integer', () => {
    const writer = new BinaryWriter();
    writer.writeInt64Array([-1, 2n, Number.MAX_SAFE_INTEGER]);
    expect(new BinaryReader(writer.data).readInt64Array(3)).toEqual([
      -1n,
      2n,
      BigInt(Number.MAX_SAFE_INTEGER),
    ]);
  });

  it('can come from a typed array, and a char from a string', () => {
    const writer = new BinaryWriter();
    writer.writeShortArray(Int16Array.of(-1, 2));
    writer.writeUint64Array(BigUint64Array.of(3n));
    writer.writeCharArray(['A', Uint8Array.of(0x42), '\u00ff']);
    writer.writeCharArray(Uint8Array.of(1, 2));
    expect(hex(writer.data)).toBe('ffff020003000000000000004142ff0102');
  });

  it('is true for any byte but 0', () => {
    expect(new BinaryReader(Uint8Array.of(0, 1, 2, 255)).readBoolArray(4)).toEqual([false, true, true, true]);
  });

  it('keeps NaN, infinities and negative zero', () => {
    const writer = new BinaryWriter();
    const values = [NaN, Infinity, -Infinity, -0, 3.4028234663852886e38];
    writer.writeFloatArray(values);
    writer.writeDoubleArray(values);
    const reader = new BinaryReader(writer.data);
    expect(reader.readFloatArray(5)).toEqual(values);
    expect(reader.readDoubleArray(5)).toEqual(values);
  });
});

describe('a read past the end', () => {
  it.each(cases)(
    '$name: one error with offset, wanted and available, and nothing consumed',
    ({ name, size }) => {
      const bytes = new Uint8Array(size + 1);
      for (const reader of [new BinaryReader(bytes), new BinaryEditor(bytes)]) {
        reader.seek(2);
        const attempts: [number, () => unknown][] = [
          [size, () => call(reader, `read${name}`)],
          [size * 3, () => call(reader, `read${name}Array`, 3)],
          [size * Number.MAX_SAFE_INTEGER, () => call(reader, `read${name}Array`, Number.MAX_SAFE_INTEGER)],
        ];
        for (const [wanted, attempt] of attempts) {
          const error = thrownBy(attempt);
          expect(K4netError.is(error, 'K4NET_END_OF_DATA')).toBe(true);
          expect(error).toMatchObject({ offset: 2, wanted, available: size - 1 });
          expect(reader.tell()).toBe(2);
        }
        expect(() => call(reader, `read${name}Array`, -1)).toThrow(RangeError);
        expect(() => call(reader, `read${name}Array`, 1.5)).toThrow(RangeError);
        expect(() => call(reader, `read${name}Array`, Infinity)).toThrow(RangeError);
        expect(() => call(reader, `read${name}Array`, '1')).toThrow(TypeError);
        expect(call(reader, `read${name}Array`, 0)).toHaveLength(0);
      }
    },
  );
});
