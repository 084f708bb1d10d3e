import fc from 'fast-check';
import { BinaryReader } from '../../lib/binary/reader.js';
import type { Codec } from '../../lib/codec/codec.js';
import * as codec from '../../lib/codec/combinators.js';
import { schema } from './schemas.js';

/** A codec, and values that it takes. */
export interface Kind {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly values: fc.Arbitrary<unknown>;
}

function kind<T>(name: string, of: Codec<never, unknown>, values: fc.Arbitrary<T>): Kind {
  return { name, codec: of as Codec<unknown>, values };
}

const half = fc
  .integer({ min: 0, max: 0xffff })
  .map((bits) => codec.float16.decode(new BinaryReader(Uint8Array.of(bits, bits >> 8))));
const text = fc.string({ unit: 'binary', maxLength: 20 });
const whole = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

// JSON text has one zero.
const jsonValues = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const anything = schema((value) => value);

export const leaves: readonly Kind[] = [
  kind('int8', codec.int8, whole(-0x80, 0x7f)),
  kind('int16', codec.int16, whole(-0x8000, 0x7fff)),
  kind('int24', codec.int24, whole(-0x80_0000, 0x7f_ffff)),
  kind('int32', codec.int32, whole(-0x8000_0000, 0x7fff_ffff)),
  kind('int64', codec.int64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  kind('uint8', codec.uint8, whole(0, 0xff)),
  kind('uint16', codec.uint16, whole(0, 0xffff)),
  kind('uint24', codec.uint24, whole(0, 0xff_ffff)),
  kind('uint32', codec.uint32, whole(0, 0xffff_ffff)),
  kind('uint64', codec.uint64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  kind('float16', codec.float16, half),
  kind('float32', codec.float32, fc.float()),
  kind('float64', codec.float64, fc.double()),
  kind('bool', codec.bool, fc.boolean()),
  kind('string', codec.string, text),
  kind('bytes', codec.bytes, fc.uint8Array({ maxLength: 20 })),
  kind('fixedBytes', codec.fixedBytes(5), fc.uint8Array({ minLength: 5, maxLength: 5 })),
  kind('date', codec.date, fc.date({ noInvalidDate: true })),
  kind('json', codec.json, jsonValues),
  kind('tuple(schema of json)', codec.tuple([anything]), fc.tuple(jsonValues)),
  kind('nothing', codec.nothing, fc.constant(undefined)),
  kind('enumeration', codec.enumeration('a', 'b', 'c'), fc.constantFrom('a', 'b', 'c')),
];

const keys: readonly Kind[] = leaves.filter(({ name }) =>
  ['int8', 'int32', 'uint64', 'string', 'bool', 'enumeration'].includes(name),
);
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'constructor', 'toString', 'x y', '7'), {
  maxLength: 4,
});

interface Linked {
  readonly value: number;
  readonly next?: Linked | undefined;
}

const linked: Codec<Linked> = codec.struct({
  value: codec.uint8,
  next: codec.optional(codec.lazy(() => linked)),
});
const chain = fc
  .array(fc.nat(255), { minLength: 1, maxLength: 60 })
  .map((values) => values.reduceRight<Linked | undefined>((next, value) => ({ value, next }), undefined));

const { node } = fc.letrec<{ node: Kind; few: readonly Kind[] }>((tie) => ({
  few: fc.array(tie('node'), { minLength: 4, maxLength: 4, depthIdentifier: 'kinds' }),
  node: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'kinds', withCrossShrink: true },
    fc.constantFrom(...leaves),
    fc.constant(kind('lazy', linked, chain)),
    tie('node').filter(takesBytes).map(arrayOf),
    tie('node').map((part) =>
      kind(`optional(${part.name})`, codec.optional(part.codec), fc.option(part.values, { nil: undefined })),
    ),
    tie('node')
      // A value that is null already is the other case.
      .filter(({ name }) => !name.startsWith('nullable'))
      .map((part) => kind(`nullable(${part.name})`, codec.nullable(part.codec), fc.option(part.values))),
    tie('few').map((parts) =>
      kind(
        `tuple(${listOf(parts)})`,
        codec.tuple(parts.map((part) => part.codec)),
        fc.tuple(...parts.map((part) => part.values)),
      ),
    ),
    fc.tuple(fc.constantFrom(...keys), tie('node')).map(([key, part]) => mapOf(key, part)),
    tie('node').map(recordOf),
    fc.tuple(names, tie('few')).map(([fields, parts]) => structOf(fields, parts)),
    fc.tuple(names, tie('few')).map(([fields, parts]) => unionOf(fields, parts)),
  ),
}));

/** Codecs of every kind, in each other. */
export const kinds: fc.Arbitrary<Kind> = node;

/** Such a codec and a value for it. */
export const samples: fc.Arbitrary<{
  readonly name: string;
  readonly codec: Codec<unknown>;
  value: unknown;
}> = kinds.chain((one) => one.values.map((value) => ({ name: one.name, codec: one.codec, value })));

function listOf(parts: readonly Kind[]): string {
  return parts.map(({ name }) => name).join(', ');
}

function takesBytes(part: Kind): boolean {
  return part.codec.minSize !== 0;
}

function arrayOf(part: Kind): Kind {
  return kind(`array(${part.name})`, codec.array(part.codec), fc.array(part.values, { maxLength: 5 }));
}

function mapOf(key: Kind, part: Kind): Kind {
  const entries = fc.array(fc.tuple(key.values, part.values), { maxLength: 5 });
  return kind(
    `map(${key.name}, ${part.name})`,
    codec.map(key.codec as Codec<string>, part.codec),
    entries.map((list) => new Map(list)),
  );
}

function recordOf(part: Kind): Kind {
  // Defined and not assigned: one of the names may be __proto__.
  const values = fc
    .array(fc.tuple(fc.oneof(text, fc.constantFrom('__proto__', 'constructor')), part.values), {
      maxLength: 5,
    })
    .map((entries) => Object.fromEntries(entries));
  return kind(`record(${part.name})`, codec.record(part.codec), values);
}

function fieldsOf(fields: readonly string[], parts: readonly Kind[]): Record<string, Codec<unknown>> {
  return Object.fromEntries(fields.map((name, index) => [name, parts[index]!.codec]));
}

function valueOf(fields: readonly string[], parts: readonly Kind[]): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(fields.map((name, index) => [name, parts[index]!.values])));
}

function structOf(fields: readonly string[], parts: readonly Kind[]): Kind {
  return kind(
    `struct(${listOf(parts.slice(0, fields.length))})`,
    codec.struct(fieldsOf(fields, parts)),
    valueOf(fields, parts),
  );
}

function unionOf(fields: readonly string[], parts: readonly Kind[]): Kind {
  const cases = { none: {}, some: fieldsOf(fields, parts) };
  const some = valueOf(fields, parts).map((value) => ({ ...value, type: 'some' }));
  return kind(
    `union(${listOf(parts.slice(0, fields.length))})`,
    codec.union('type', cases),
    fc.oneof(fc.constant({ type: 'none' }), some),
  );
}
