import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BinaryEditor } from '../../lib/binary/editor.js';
import { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { call, fromHex, hex } from './cases.js';

interface Vector {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly bytes: string;
}

const file = readFileSync(new URL('../vectors/seed-wire.json', import.meta.url), 'utf8');
const vectors = (JSON.parse(file) as { writer: Vector[] }).writer;

/** `write_ubyte_array` is `UbyteArray`; `write` is the empty string. */
function suffix(method: string): string {
  const words = method.split('_').slice(1);
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

function plain(value: unknown, of64: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item, of64));
  if (typeof value === 'object' && value !== null && 'hex' in value) return fromHex(String(value.hex));
  return of64 && (typeof value === 'string' || typeof value === 'number') ? BigInt(value) : value;
}

function expected(vector: Vector, args: unknown[]): unknown {
  const [first] = args;
  if (vector.method === 'write_zeros') return new Uint8Array(Number(first));
  if (vector.method === 'write_float') return Math.fround(Number(first));
  if (vector.options['size'] === undefined || typeof first !== 'string') return first;
  return first.slice(0, Number(vector.options['size']));
}

function readBack(reader: BinaryReader | BinaryEditor, vector: Vector, args: unknown[]): unknown {
  const name = suffix(vector.method);
  if (name === '' || name === 'Zeros') return reader.read(vector.bytes.length / 2);
  if (!name.endsWith('Array')) return call(reader, `read${name}`, ...args.slice(1));
  return call(reader, `read${name}`, (args[0] as unknown[]).length, ...args.slice(1));
}

describe('the bytes of the seed library', () => {
  it('have the number of cases that this suite expects', () => {
    expect(vectors).toHaveLength(75);
    expect(new Set(vectors.map(({ method }) => method)).size).toBe(42);
  });

  it.each(vectors.map((vector, index) => ({ index, vector })))(
    'case $index: $vector.method',
    ({ vector }) => {
      const of64 = /longlong|int64/.test(vector.method);
      const args = vector.args.map((arg) => plain(arg, of64));
      if (vector.method.startsWith('write_string')) {
        // The seed's default encoding is shift_jis.
        const options = Object.entries({ encoding: 'shift_jis', ...vector.options });
        args.push(Object.fromEntries(options.map(([name, value]) => [name, plain(value, false)])));
      } else {
        expect(vector.options).toEqual({});
      }
      for (const writer of [new BinaryWriter(), new BinaryEditor()]) {
        call(writer, `write${suffix(vector.method)}`, ...args);
        expect(hex(writer.data)).toBe(vector.bytes);
        expect(writer.tell()).toBe(vector.bytes.length / 2);
      }
      const bytes = fromHex(vector.bytes);
      for (const reader of [new BinaryReader(bytes), new BinaryEditor(bytes)]) {
        expect(readBack(reader, vector, args)).toEqual(expected(vector, args));
        expect(reader.remaining).toBe(0);
      }
    },
  );
});
