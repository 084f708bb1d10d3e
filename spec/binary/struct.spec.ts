import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BinaryEditor } from '../../lib/binary/editor.js';
import { BinaryReader } from '../../lib/binary/reader.js';
import { type StructValue } from '../../lib/binary/struct-format.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { EndOfDataError } from '../../lib/errors.js';
import { fromHex, hex, thrownBy } from './cases.js';
import { python } from './python.js';

function packed(format: string, ...values: StructValue[]): string {
  const writer = new BinaryWriter();
  writer.writeStruct(format, ...values);
  return hex(writer.data);
}

function unpacked(format: string, bytes: string): StructValue[] {
  return new BinaryReader(fromHex(bytes)).readStruct(format);
}

/** A letter with its count, and the values that it takes. */
const field: fc.Arbitrary<[string, StructValue[]]> = fc
  .tuple(fc.constantFrom(...Array.from('c?bBhHiIlLqQefdxsp')), fc.nat(4))
  .chain(([letter, count]) => {
    const text = count === 1 ? letter : `${count}${letter}`;
    const bits = { b: 8, h: 16, i: 32, l: 32 }[letter.toLowerCase()] ?? 8;
    const signed = letter === letter.toLowerCase();
    const one: fc.Arbitrary<StructValue> =
      letter === 'c'
        ? fc.uint8Array({ minLength: 1, maxLength: 1 })
        : letter === '?'
          ? fc.boolean()
          : letter === 'q'
            ? fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
            : letter === 'Q'
              ? fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
              : letter === 'e'
                ? fc.double({ min: -65504, max: 65504 })
                : letter === 'f'
                  ? fc.float()
                  : letter === 'd'
                    ? fc.double()
                    : letter === 's' || letter === 'p'
                      ? fc.uint8Array({ maxLength: 6 })
                      : signed
                        ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
                        : fc.integer({ min: 0, max: 2 ** bits - 1 });
    const length = letter === 'x' ? 0 : letter === 's' || letter === 'p' ? 1 : count;
    // Python's answer to 0p is an internal error.
    const format = text === '0p' ? '1p' : text;
    return fc.array(one, { minLength: length, maxLength: length }).map((values) => [format, values]);
  });
const struct = fc.array(field, { maxLength: 6 }).map((fields) => ({
  format: fields.map(([format]) => format).join(' '),
  values: fields.flatMap(([, values]) => values),
}));

describe('a struct', () => {
  it('has no padding and is little-endian', () => {
    expect(packed('bhiq', -1, 1, 2, 3n)).toBe('ff' + '0100' + '02000000' + '0300000000000000');
    expect(packed(' 2H\tx\n?c ', 1, 0xffff, true, 'A')).toBe('0100ffff000141');
    expect(packed('4s 4s 0s', Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3, 4, 5), new Uint8Array(3))).toBe(
      '0102000001020304',
    );
    expect(packed('4p 2p', Uint8Array.of(8, 9), Uint8Array.of(8, 9))).toBe('02080900' + '0108');
    expect(packed('0h')).toBe('');
    expect(packed('')).toBe('');
    expect(unpacked('', '01')).toEqual([]);
    expect(unpacked('bx2Hqf', 'ff000100ffff02000000000000000000c03f')).toEqual([-1, 1, 0xffff, 2n, 1.5]);
    expect(unpacked('2c3s4p0p0s', '010203040502080900')).toEqual(
      [[1], [2], [3, 4, 5], [8, 9], [], []].map((bytes) => Uint8Array.from(bytes)),
    );
    // A length that is longer than its field reads what the field has.
    expect(unpacked('3p', 'ff0102')).toEqual([Uint8Array.of(1, 2)]);
  });

  it('encodes to the bytes that it decodes, and back', () => {
    fc.assert(
      fc.property(struct, ({ format, values }) => {
        const once = packed(format, ...values);
        const read = unpacked(format, once);
        expect(packed(format, ...read)).toBe(once);
        expect(read).toHaveLength(values.length);
        if (!/[sep]/.test(format)) expect(read).toEqual(values);
      }),
      { numRuns: 150, seed: 8 },
    );
  });

  it('overwrites padding and the unused part of strings with zeros', () => {
    const editor = new BinaryEditor(new Uint8Array(8).fill(0xff));
    editor.writeStruct('2x2s3p', Uint8Array.of(1), Uint8Array.of(2));
    expect(hex(editor.data)).toBe('00000100010200ff');
  });

  it('is read and written in arrays, all or none', () => {
    const rows = [
      [1, 2n],
      [3, 4n],
    ];
    for (const writer of [new BinaryWriter(), new BinaryEditor()]) {
      writer.writeStructArray(rows, 'hq');
      expect(writer.length).toBe(20);
      expect(new BinaryReader(writer.data).readStructArray(2, 'hq')).toEqual(rows);
      expect(() => {
        writer.writeStructArray(
          [
            [1, 2n],
            [1, 2n ** 64n],
          ],
          'hq',
        );
      }).toThrow(RangeError);
      expect(() => {
        writer.writeStructArray([[1, 2n], [1]], 'hq');
      }).toThrow("the struct format 'hq' takes 2 values, not 1");
      expect(() => {
        writer.writeStructArray([1] as never, 'h');
      }).toThrow(TypeError);
      expect(() => {
        writer.writeStructArray([[], []], '0h');
      }).toThrow(RangeError);
      expect([writer.tell(), writer.length]).toEqual([20, 20]);
      const reader = new BinaryReader(writer.data);
      expect(thrownBy(() => reader.readStructArray(3, 'hq'))).toMatchObject({
        offset: 0,
        wanted: 30,
        available: 20,
      });
      expect(() => reader.readStructArray(2 ** 50, 'h')).toThrow(EndOfDataError);
      expect(() => reader.readStructArray(2 ** 50, '0h')).toThrow(RangeError);
      expect(() => reader.readStructArray(-1, 'h')).toThrow(RangeError);
      expect(reader.tell()).toBe(0);
    }
  });

  it('rejects a wrong format and names its fault', () => {
    const reader = new BinaryReader(new Uint8Array(8));
    for (const letter of ['n', 'N', 'P', '<', '>', '=', '@', '!', 'z', '-', '\u3042']) {
      expect(() => reader.readStruct(`h${letter}`)).toThrow(
        `the struct format 'h${letter}' has the letter '${letter}'; it takes c?bBhHiIlLqQefdxsp`,
      );
    }
    expect(() => reader.readStruct('h 3')).toThrow(
      "the struct format 'h 3' has a count without a letter at index 1",
    );
    expect(() => reader.readStruct('3 h')).toThrow('a count without a letter at index 0');
    expect(() => reader.readStruct('99999999999999999999h')).toThrow('is too large');
    expect(() => reader.readStruct(1 as never)).toThrow(TypeError);
    expect(thrownBy(() => reader.readStruct('999999999999h'))).toMatchObject({
      wanted: 1999999999998,
      available: 8,
    });
    expect(thrownBy(() => reader.readStruct('hq'))).toMatchObject({ offset: 0, wanted: 10, available: 8 });
    expect(reader.tell()).toBe(0);
    for (let times = 0; times < 300; times += 1)
      expect(unpacked(`${times}x b`, '00'.repeat(times) + '07')).toEqual([7]);
  });

  it('rejects values of a wrong number, type or range, and writes nothing', () => {
    for (const writer of [new BinaryWriter(Uint8Array.of(9)), new BinaryEditor(Uint8Array.of(9))]) {
      const at = writer.tell();
      expect(() => {
        writer.writeStruct('2h', 1);
      }).toThrow("the struct format '2h' takes 2 values, not 1");
      expect(() => {
        writer.writeStruct('x', 1);
      }).toThrow(TypeError);
      expect(() => {
        writer.writeStruct('2h', 1, '2');
      }).toThrow('a short must be a number, not string');
      expect(() => {
        writer.writeStruct('2h', 1, 2n);
      }).toThrow(TypeError);
      expect(() => {
        writer.writeStruct('hB', 1, 256);
      }).toThrow(RangeError);
      expect(() => {
        writer.writeStruct('hs', 1, 'a');
      }).toThrow(TypeError);
      expect(() => {
        writer.writeStruct('h?', 1, 1);
      }).toThrow(TypeError);
      expect(() => {
        writer.writeStruct('hc', 1, 'ab');
      }).toThrow(RangeError);
      expect(() => {
        writer.writeStruct('hf', 1, 1e39);
      }).toThrow(RangeError);
      expect(() => {
        writer.writeStruct('he', 1, 65520);
      }).toThrow('a half float must be a number from -65504 to 65504, not 65520');
      expect(() => {
        writer.writeStruct('hn', 1, 1);
      }).toThrow(RangeError);
      expect([writer.tell(), hex(writer.data)]).toEqual([at, '09']);
    }
  });

  it('can have every half float', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const bytes = Uint8Array.of(bits, bits >> 8);
      const [value] = new BinaryReader(bytes).readStruct('e');
      if (Number.isNaN(value)) continue;
      if (packed('e', value!) !== hex(bytes)) throw new Error(`half float ${hex(bytes)} is ${String(value)}`);
    }
    expect(packed('7e', NaN, 65519, 2 ** -25, 1.5 * 2 ** -25, 2049, 2051, -Infinity)).toBe(
      '007e' + 'ff7b' + '0000' + '0100' + '0068' + '0268' + '00fc',
    );
  });

  it.skipIf(python === undefined)('agrees with the struct module of Python, if there is one', () => {
    const samples = fc.sample(struct, { numRuns: 400, seed: 9 });
    const show = (value: StructValue): string => {
      if (value instanceof Uint8Array) return `bytes.fromhex('${hex(value)}')`;
      if (typeof value === 'boolean') return value ? 'True' : 'False';
      if (Number.isNaN(value) || value === Infinity || value === -Infinity)
        return `float('${String(value)}')`;
      return Object.is(value, -0) ? '-0.0' : String(value);
    };
    const script = ['import struct', 'def out(f, *v): print(struct.pack("<" + f, *v).hex())'];
    for (const { format, values } of samples)
      script.push(`out(${[`'${format}'`, ...values.map(show)].join(', ')})`);
    const { stdout, stderr } = spawnSync(python ?? '', ['-'], { input: script.join('\n'), encoding: 'utf8' });
    expect(stderr).toBe('');
    const theirs = stdout.split(/\r?\n/);
    samples.forEach(({ format, values }, index) => {
      expect(packed(format, ...values), format).toBe(theirs[index]);
    });
  });
});
