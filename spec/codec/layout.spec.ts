import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../lib/codec/codec.js';
import * as codec from '../../lib/codec/combinators.js';
import { schema } from './schemas.js';

/** The cells of a row of the page, and the same codec and value for the program. */
interface Row {
  readonly codec: string;
  readonly value: string;
  readonly bytes: string;
  readonly of: Codec<unknown>;
  readonly sample: unknown;
}

function row<I>(name: string, value: string, bytes: string, of: Codec<I, unknown>, sample: I): Row {
  return { codec: name, value, bytes, of: of as Codec<unknown>, sample };
}

const shape = codec.union('type', { circle: { r: codec.uint8 }, dot: {} });
const number = schema<number>(Number);
const rows: readonly Row[] = [
  row('int8', '-2', 'fe', codec.int8, -2),
  row('int16', '-2', 'fe ff', codec.int16, -2),
  row('int24', '-2', 'fe ff ff', codec.int24, -2),
  row('int32', '-2', 'fe ff ff ff', codec.int32, -2),
  row('int64', '-2n', 'fe ff ff ff ff ff ff ff', codec.int64, -2n),
  row('uint8', '200', 'c8', codec.uint8, 200),
  row('uint16', '1000', 'e8 03', codec.uint16, 1000),
  row('uint24', '1000', 'e8 03 00', codec.uint24, 1000),
  row('uint32', '1000', 'e8 03 00 00', codec.uint32, 1000),
  row('uint64', '1000n', 'e8 03 00 00 00 00 00 00', codec.uint64, 1000n),
  row('float16', '1.5', '00 3e', codec.float16, 1.5),
  row('float32', '1.5', '00 00 c0 3f', codec.float32, 1.5),
  row('float64', '1.5', '00 00 00 00 00 00 f8 3f', codec.float64, 1.5),
  row('bool', 'true', '01', codec.bool, true),
  row('string', "'é'", '02 00 00 00 c3 a9', codec.string, 'é'),
  row('bytes', 'Uint8Array.of(7, 8)', '02 00 00 00 07 08', codec.bytes, Uint8Array.of(7, 8)),
  row('fixedBytes(2)', 'Uint8Array.of(7, 8)', '07 08', codec.fixedBytes(2), Uint8Array.of(7, 8)),
  row('date', 'new Date(1000)', 'e8 03 00 00 00 00 00 00', codec.date, new Date(1000)),
  row('json', '[7]', '03 00 00 00 5b 37 5d', codec.json, [7]),
  row('array(uint8)', '[7, 8]', '02 00 00 00 07 08', codec.array(codec.uint8), [7, 8]),
  row('tuple([uint8, bool])', '[7, true]', '07 01', codec.tuple([codec.uint8, codec.bool]), [7, true]),
  row(
    'map(uint8, bool)',
    'new Map([[7, true]])',
    '01 00 00 00 07 01',
    codec.map(codec.uint8, codec.bool),
    new Map([[7, true]]),
  ),
  row('record(uint8)', '{ a: 7 }', '01 00 00 00 01 00 00 00 61 07', codec.record(codec.uint8), { a: 7 }),
  row(
    'struct({ a: uint8, b: uint16 })',
    '{ a: 7, b: 8 }',
    '07 08 00',
    codec.struct({ a: codec.uint8, b: codec.uint16 }),
    { a: 7, b: 8 },
  ),
  row(
    'struct({ a: uint8, b: z.number() })',
    '{ a: 7, b: 8 }',
    '07 01 00 00 00 38',
    codec.struct({ a: codec.uint8, b: number }),
    { a: 7, b: 8 },
  ),
  row('optional(uint8)', '7', '01 07', codec.optional(codec.uint8), 7),
  row('optional(uint8)', 'undefined', '00', codec.optional(codec.uint8), undefined),
  row('nullable(uint8)', '7', '01 07', codec.nullable(codec.uint8), 7),
  row('nullable(uint8)', 'null', '00', codec.nullable(codec.uint8), null),
  row("union('type', { circle: { r: uint8 }, dot: {} })", "{ type: 'circle', r: 7 }", '00 07', shape, {
    type: 'circle',
    r: 7,
  }),
  row("union('type', { circle: { r: uint8 }, dot: {} })", "{ type: 'dot' }", '01', shape, { type: 'dot' }),
  row("enumeration('red', 'blue')", "'blue'", '01', codec.enumeration('red', 'blue'), 'blue'),
  row(
    'lazy(() => uint8)',
    '7',
    '07',
    codec.lazy(() => codec.uint8),
    7,
  ),
  row('nothing', 'undefined', 'none', codec.nothing, undefined),
];

function hex(bytes: Uint8Array): string {
  return bytes.length === 0
    ? 'none'
    : Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

describe('the encoding of each codec', () => {
  it.each(rows)('writes $codec $value as $bytes', ({ of, sample, bytes }) => {
    const encoded = codec.encode(of, sample);
    expect(hex(encoded)).toBe(bytes);
    expect(codec.decode(of, encoded)).toEqual(sample);
  });

  it('is the one that docs/typed-messages.md shows', async () => {
    const page = await readFile(new URL('../../docs/typed-messages.md', import.meta.url), 'utf8');
    const found = [...page.matchAll(/^\| `([^`]+)` +\| `([^`]+)` +\| (none|[0-9a-f ]+?) +\|/gm)];
    expect(found.map(([, ...cells]) => cells)).toEqual(
      rows.map(({ codec: name, value, bytes }) => [name, value, bytes]),
    );
  });

  it('is tested here for each exported codec', () => {
    const shown = new Set(rows.map((one) => /^\w+/.exec(one.codec)![0]));
    const others = ['request', 'stream', 'encode', 'decode'];
    expect([...shown, ...others].toSorted()).toEqual(Object.keys(codec).toSorted());
  });

  it('has no alignment and no padding', () => {
    const of = codec.struct({ a: codec.uint8, b: codec.uint32, c: codec.uint8, d: codec.float64 });
    expect(codec.encode(of, { a: 1, b: 2, c: 3, d: 0 }).length).toBe(14);
  });
});
