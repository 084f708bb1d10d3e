import { kindOf } from '../util/bytes.js';
import type { Codec, Flat } from './codec.js';
import { fieldList, type Fields, type StructInput, type StructOutput } from './struct.js';
import { readOneOf } from './helpers.js';

/** The cases of a union: a name and the fields of each. */
export type Cases = Readonly<Record<string, Fields>>;

/** The values of a union that can be sent: the name of the case under `Tag`, and its fields. */
export type UnionInput<Tag extends string, C extends Cases> = {
  [K in keyof C]: Flat<Readonly<Record<Tag, K>> & StructInput<C[K]>>;
}[keyof C];

/** The values of a union that are received: the name of the case under `Tag`, and its fields. */
export type UnionOutput<Tag extends string, C extends Cases> = {
  [K in keyof C]: Flat<Record<Tag, K> & StructOutput<C[K]>>;
}[keyof C];

const maxCases = 256;

/**
 * One of several structs, chosen by the property `tag`: a byte with the index of the case, then its
 * fields.
 *
 * The index follows the order of declaration, so add new cases at the end.
 *
 * @param cases - 1 to 256 cases with their fields. The fields of a struct are its `fields`.
 *
 * @example
 * ```ts
 * import { codec } from 'k4net';
 *
 * const shape = codec.union('kind', {
 *   circle: { radius: codec.float64 },
 *   square: { side: codec.float64 },
 * });
 * const bytes = codec.encode(shape, { kind: 'circle', radius: 2 });
 * console.log(codec.decode(shape, bytes).kind);
 * ```
 */
export function union<const Tag extends string, const C extends Cases>(
  tag: Tag,
  cases: C,
): Codec<UnionInput<Tag, C>, UnionOutput<Tag, C>> {
  if (typeof tag !== 'string') throw new TypeError(`the tag of a union must be a string, not ${kindOf(tag)}`);
  if (tag === '__proto__') throw new TypeError("the tag of a union cannot be '__proto__'");
  const given: unknown = cases;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`the cases of a union must be an object, not ${kindOf(given)}`);
  }
  const all = Object.entries(cases).map(([name, fields], index) => {
    const layout = fieldList(`the case '${name}'`, fields, [tag, name]);
    if (!Object.hasOwn(fields, tag)) return { name, index, layout };
    throw new TypeError(`the case '${name}' has a field '${tag}', which is the tag`);
  });
  checkNumber('cases', all.length);
  const byName = new Map<unknown, (typeof all)[number]>(all.map((one) => [one.name, one]));
  return {
    minSize: 1 + Math.min(...all.map(({ layout }) => layout.minSize)),
    encode(writer, value) {
      const whole: unknown = value;
      if (typeof whole !== 'object' || whole === null) {
        throw new TypeError(`a union must be an object, not ${kindOf(whole)}`);
      }
      const name = (whole as Readonly<Record<string, unknown>>)[tag];
      const found = byName.get(name);
      if (found === undefined) throw unknownName(`the '${tag}' of a union`, name, [...byName.keys()]);
      writer.writeUint8(found.index);
      found.layout.encode(writer, whole);
    },
    decode(reader) {
      const { layout } = readOneOf(reader, all, 'the index of a union');
      return layout.decode(reader) as UnionOutput<Tag, C>;
    },
  };
}

/**
 * One of several strings: a byte with the index of the string. Add new strings at the end.
 *
 * @param names - 1 to 256 different strings.
 */
export function enumeration<const Names extends readonly string[]>(...names: Names): Codec<Names[number]> {
  checkNumber('strings', names.length);
  const numbers = new Map<unknown, number>();
  for (const [index, name] of names.entries()) {
    const given: unknown = name;
    if (typeof given !== 'string') {
      throw new TypeError(`an enumeration must be made of strings, not of ${kindOf(given)}`);
    }
    if (numbers.has(given)) throw new TypeError(`an enumeration has the string '${given}' twice`);
    numbers.set(given, index);
  }
  const known: readonly Names[number][] = names;
  return {
    minSize: 1,
    encode(writer, value) {
      const index = numbers.get(value);
      if (index === undefined) throw unknownName('the value of an enumeration', value, names);
      writer.writeUint8(index);
    },
    decode: (reader) => readOneOf(reader, known, 'the index of an enumeration'),
  };
}

function checkNumber(what: string, count: number): void {
  if (count >= 1 && count <= maxCases) return;
  throw new RangeError(`there must be 1 to ${maxCases} ${what}, not ${count}`);
}

function unknownName(what: string, value: unknown, names: readonly unknown[]): Error {
  if (typeof value !== 'string') return new TypeError(`${what} must be a string, not ${kindOf(value)}`);
  const all = names.map((name) => `'${String(name)}'`).join(', ');
  return new RangeError(`${what} must be one of ${all}, not '${value.slice(0, 40)}'`);
}
