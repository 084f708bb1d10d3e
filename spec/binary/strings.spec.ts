import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BinaryEditor } from '../../lib/binary/editor.js';
import { type StringEncoding } from '../../lib/binary/encodings.js';
import { BinaryReader } from '../../lib/binary/reader.js';
import { type StringOptions } from '../../lib/binary/string-format.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { EndOfDataError, MalformedError } from '../../lib/errors.js';
import { fromHex, hex, thrownBy } from './cases.js';

const encodings: StringEncoding[] = ['utf-8', 'ascii', 'latin1', 'utf-16le', 'shift_jis'];

function written(text: string, options?: StringOptions): string {
  const writer = new BinaryWriter();
  writer.writeString(text, options);
  return hex(writer.data);
}

function readFrom(bytes: string, options?: StringOptions): string {
  return new BinaryReader(fromHex(bytes)).readString(options);
}

function texts(encoding: StringEncoding): fc.Arbitrary<string> {
  if (encoding === 'ascii') return fc.string({ unit: 'binary-ascii' });
  if (encoding === 'latin1') {
    return fc.array(fc.nat(0xff)).map((codes) => String.fromCharCode(...codes));
  }
  if (encoding === 'shift_jis') {
    return fc
      .array(fc.constantFrom(...Array.from('aZ~\\\u0000\uff71\u65e5\u672c\u8868\u30bd\u2460')))
      .map((list) => list.join(''));
  }
  return fc.string({ unit: 'binary' });
}

describe.each(encodings)('%s', (encoding) => {
  it('reads terminated strings that it wrote', () => {
    fc.assert(
      fc.property(fc.array(texts(encoding)), (raw) => {
        const list = raw.map((text) => text.replaceAll('\0', ''));
        const writer = new BinaryWriter();
        writer.writeStringArray(list, { encoding });
        expect(new BinaryReader(writer.data).readStringArray(list.length, { encoding })).toEqual(list);
        const reader = new BinaryReader(writer.data);
        expect(list.map(() => reader.readString({ encoding }))).toEqual(list);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 60, seed: 6 },
    );
  });

  it('reads the whole characters that fit a field of fixed size', () => {
    fc.assert(
      fc.property(texts(encoding), fc.nat(12), (raw, half) => {
        const size = half * 2;
        const text = raw.replaceAll(' ', '');
        const writer = new BinaryWriter();
        writer.writeString(text, { encoding, size, pad: 0x20 });
        expect(writer.length).toBe(size);
        const back = new BinaryReader(writer.data).readString({ encoding, size, pad: 0x20 });
        expect(text.startsWith(back)).toBe(true);
        if (back === text) return;
        const next = String.fromCodePoint(text.codePointAt(back.length) ?? 0);
        const one = new BinaryWriter();
        one.writeString(back + next, { encoding, pad: 0x20 });
        const terminator = encoding === 'utf-16le' ? 2 : 1;
        expect(one.length - terminator).toBeGreaterThan(size);
      }),
      { numRuns: 100, seed: 7 },
    );
  });

  it('rejects text without a size that contains the terminator', () => {
    for (const writer of [new BinaryWriter(), new BinaryEditor()]) {
      expect(() => {
        writer.writeString('a\0b', { encoding });
      }).toThrow(/cannot contain its terminator, 0, as it does at byte/);
      expect(() => {
        writer.writeStringArray(['a', 'b\0'], { encoding });
      }).toThrow(RangeError);
      expect(() => {
        writer.writeString('a b', { encoding, pad: 0x20 });
      }).toThrow('terminator, 32');
      expect(writer.length).toBe(0);
    }
  });

  it('throws an EndOfDataError and consumes nothing if there is no terminator', () => {
    const bytes = fromHex('4100420043');
    for (const reader of [new BinaryReader(bytes), new BinaryEditor(bytes)]) {
      reader.seek(4);
      const terminator = encoding === 'utf-16le' ? 2 : 1;
      expect(thrownBy(() => reader.readString({ encoding }))).toMatchObject({
        offset: 4,
        wanted: 1 + terminator,
        available: 1,
      });
      reader.seek(0);
      expect(() => reader.readStringArray(3, { encoding })).toThrow(EndOfDataError);
      expect(thrownBy(() => reader.readString({ encoding, size: 6 }))).toMatchObject({
        wanted: 6,
        available: 5,
      });
      expect(reader.tell()).toBe(0);
    }
  });
});

describe('text', () => {
  it('is UTF-8 with a zero at the end by default', () => {
    expect(written('h\u00e9\u{1f600}')).toBe('68c3a9f09f988000');
    expect(written('')).toBe('00');
    expect(readFrom('efbbbf6100')).toBe('\ufeffa');
    expect(written('a\u3042', { encoding: 'utf-16le' })).toBe('610042300000');
    expect(readFrom('fffe61000000', { encoding: 'utf-16le' })).toBe('\ufeffa');
  });

  it('has ISO 8859-1 as latin1, not windows-1252', () => {
    expect(readFrom('80939fff00', { encoding: 'latin1' })).toBe('\u0080\u0093\u009f\u00ff');
    expect(written('\u0080\u00ff', { encoding: 'latin1' })).toBe('80ff00');
    const long = new Uint8Array(200_000).fill(0xe9);
    expect(new BinaryReader(long).readString({ encoding: 'latin1', size: long.length })).toBe(
      '\u00e9'.repeat(200_000),
    );
  });

  it('finds a UTF-16 terminator only on whole units', () => {
    const bytes = '0061006200006300';
    expect(readFrom(bytes, { encoding: 'utf-16le' })).toBe('\u6100\u6200');
    expect(written('\u0100\u0001', { encoding: 'utf-16le' })).toBe('000101000000');
  });

  it('is cut between characters, never inside one', () => {
    expect(written('a\u00e9', { size: 2 })).toBe('6100');
    expect(written('\u{1f600}', { size: 3 })).toBe('000000');
    expect(written('\u{1f600}a', { size: 4 })).toBe('f09f9880');
    expect(written('a\u{1f600}', { size: 4, encoding: 'utf-16le', pad: 0x20 })).toBe('61002000');
    expect(written('a\u8868', { size: 2, encoding: 'shift_jis' })).toBe('6100');
    expect(written('abc', { size: 0 })).toBe('');
  });

  it('loses the pads at the end of a field, and only those', () => {
    expect(readFrom('6100620000', { size: 5 })).toBe('a\0b');
    expect(readFrom('2061202020', { size: 5, pad: 0x20 })).toBe(' a');
    expect(readFrom('0000', { size: 2 })).toBe('');
    expect(readFrom('610000002000', { size: 6, encoding: 'utf-16le', pad: 0x20 })).toBe('a\0');
  });

  it.each<[StringEncoding, string, string]>([
    ['ascii', 'a\u0080', 'U+0080'],
    ['latin1', 'a\u0100', 'U+0100'],
    ['latin1', 'a\u{1f600}', 'U+1F600'],
    ['utf-8', 'a\ud83d', 'U+D83D'],
    ['utf-16le', 'a\udc00b', 'U+DC00'],
    ['shift_jis', 'a\u00e9', 'U+00E9'],
    ['shift_jis', 'a\u00a5', 'U+00A5'],
    ['shift_jis', 'a\u{1f600}', 'U+1F600'],
  ])('rejects in %s a character that the encoding lacks: %j', (encoding, text, character) => {
    for (const writer of [new BinaryWriter(), new BinaryEditor()]) {
      const message = `${encoding} has no character ${character} at index 1`;
      expect(
        thrownBy(() => {
          writer.writeString(text, { encoding });
        }),
      ).toMatchObject({ name: 'RangeError', message });
      expect(() => {
        writer.writeStringArray(['ok', text], { encoding, size: 8 });
      }).toThrow(RangeError);
      expect(writer.length).toBe(0);
    }
  });

  it.each<[StringEncoding, string, string]>([
    ['ascii', '6180', 'the byte at offset 3 is not ascii'],
    ['utf-8', '61c3', 'the 2 bytes at offset 2 are not utf-8'],
    ['utf-8', 'eda080', 'the 3 bytes at offset 2 are not utf-8'],
    ['utf-16le', '610000d8', 'the 4 bytes at offset 2 are not utf-16le'],
    ['shift_jis', '6181', 'the byte at offset 3 is not shift_jis'],
    ['shift_jis', '818141ff', 'the byte at offset 5 is not shift_jis'],
    ['shift_jis', '80', 'the byte at offset 2 is not shift_jis'],
    ['shift_jis', 'a0', 'the byte at offset 2 is not shift_jis'],
    ['shift_jis', '817f', 'the byte at offset 2 is not shift_jis'],
    ['shift_jis', '8130', 'the byte at offset 2 is not shift_jis'],
  ])('rejects as %s the bytes %s', (encoding, bytes, message) => {
    const reader = new BinaryReader(fromHex(`6100${bytes}0000`));
    expect([reader.readByte(), reader.readByte()]).toEqual([0x61, 0]);
    const error = thrownBy(() =>
      reader.readString({ encoding, size: bytes.length / 2 + ((bytes.length / 2) % 2) }),
    );
    expect(error).toBeInstanceOf(MalformedError);
    expect(error).toMatchObject({ code: 'K4NET_MALFORMED', message });
    expect(hex((error as MalformedError).data)).toBe(bytes);
    expect(reader.tell()).toBe(2);
    reader.seek(0);
    if (encoding !== 'utf-16le')
      expect(() => reader.readStringArray(2, { encoding })).toThrow(MalformedError);
    expect(reader.tell()).toBe(0);
  });

  it('checks its options', () => {
    const writer = new BinaryWriter();
    const attempt = (options: unknown) => () => {
      writer.writeString('a', options as StringOptions);
    };
    expect(attempt({ encoding: 'utf8' })).toThrow(
      "unknown encoding 'utf8': use one of utf-8, ascii, latin1, utf-16le, shift_jis",
    );
    expect(attempt({ encoding: 1 })).toThrow(TypeError);
    expect(attempt({ length: 1 })).toThrow(
      "unknown option 'length' of writeString: known options are size, encoding, pad",
    );
    expect(attempt(null)).toThrow(TypeError);
    expect(attempt('ascii')).toThrow(TypeError);
    expect(attempt({ size: -1 })).toThrow(RangeError);
    expect(attempt({ size: 1.5 })).toThrow(RangeError);
    expect(attempt({ size: '4' })).toThrow(TypeError);
    expect(attempt({ size: 3, encoding: 'utf-16le' })).toThrow('an even number of bytes, not 3');
    expect(attempt({ pad: 0x80 })).toThrow('the pad of utf-8 strings must be from 0 to 127, not 128');
    expect(attempt({ pad: 0x40, encoding: 'shift_jis' })).toThrow('from 0 to 63, not 64');
    expect(attempt({ pad: new Uint8Array(2) })).toThrow('a pad must be one byte, not 2 bytes');
    expect(attempt({ pad: ' ' })).toThrow(TypeError);
    expect(() => {
      writer.writeString(new Uint8Array(1) as never);
    }).toThrow(TypeError);
    expect(() => {
      writer.writeStringArray('ab' as never);
    }).toThrow(TypeError);
    expect(() => {
      writer.writeStringArray(['a', undefined as never]);
    }).toThrow(TypeError);
    expect(() => {
      writer.writeStringArray([], { size: 0 });
    }).toThrow(RangeError);
    expect(writer.length).toBe(0);
    const reader = new BinaryReader(new Uint8Array(8));
    // A count that no byte backs would have no limit.
    expect(() => reader.readStringArray(2 ** 40, { size: 0 })).toThrow(RangeError);
    expect(thrownBy(() => reader.readStringArray(2 ** 40))).toMatchObject({ wanted: 2 ** 40, available: 8 });
    expect(reader.readStringArray(0)).toEqual([]);
  });
});

describe('raw bytes', () => {
  it('are written and read unchanged', () => {
    const writer = new BinaryWriter();
    writer.writeString(Uint8Array.of(0x81, 0xff), { encoding: null });
    writer.writeString(Uint8Array.of(1, 2, 3), { encoding: null, size: 2 });
    writer.writeStringArray([Uint8Array.of(1), Uint8Array.of()], { encoding: null, pad: 0xff });
    expect(hex(writer.data)).toBe('81ff00' + '0102' + '01ffff');
    const reader = new BinaryReader(writer.data);
    expect(hex(reader.readString({ encoding: null }))).toBe('81ff');
    expect(hex(reader.readString({ encoding: null, size: 2 }))).toBe('0102');
    expect(reader.readStringArray(2, { encoding: null, pad: 0xff }).map(hex)).toEqual(['01', '']);
  });

  it('reject any value but a Uint8Array', () => {
    const writer = new BinaryWriter();
    expect(() => {
      writer.writeString('a' as never, { encoding: null });
    }).toThrow(TypeError);
    expect(() => {
      writer.writeString(Uint8Array.of(1, 0), { encoding: null });
    }).toThrow('terminator, 0, as it does at byte 1');
    expect(writer.length).toBe(0);
  });
});
