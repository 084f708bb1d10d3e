import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import { MalformedError } from '../errors.js';
import { kindOf } from '../util/bytes.js';
import type { Codec, Flat, Input, OptionalCodec, Output, PayloadType, StandardSchema } from './codec.js';
import { addPathStep, maxDepth, readFlag } from './helpers.js';
import { codecOf, elementSize, minSizeOf } from './parts.js';

/** The fields of a struct: names with a codec or a schema each, in the order of the encoding. */
export type Fields = Readonly<Record<string, PayloadType>>;

type Missing<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];

/** The values of a struct with these fields that can be sent. */
export type StructInput<F extends Fields> = Flat<
  { readonly [K in Exclude<keyof F, Missing<F>>]: Input<F[K]> } & {
    readonly [K in Missing<F>]?: Input<F[K]>;
  }
>;

/** The values of a struct with these fields that are received. */
export type StructOutput<F extends Fields> = Flat<
  { -readonly [K in Exclude<keyof F, Missing<F>>]: Output<F[K]> } & {
    -readonly [K in Missing<F>]?: Output<F[K]>;
  }
>;

/** The codec of a struct. */
export interface StructCodec<F extends Fields> extends Codec<StructInput<F>, StructOutput<F>> {
  readonly minSize: number;
  /**
   * The fields as they were passed, to extend a struct: `struct({ ...point.fields, z: float64 })`.
   */
  readonly fields: F;
}

/**
 * An object with fixed fields: the values in the order of declaration, without the names.
 *
 * Other properties are not sent. An `optional` field may be missing. The value of a field with a
 * schema is JSON text, as in `codec.json`.
 *
 * @throws TypeError for a field that is neither a codec nor a schema.
 *
 * @example
 * ```ts
 * import { codec } from 'k4net';
 *
 * const order = codec.struct({
 *   id: codec.uint32,
 *   items: codec.array(codec.string),
 *   note: codec.optional(codec.string),
 * });
 * const bytes = codec.encode(order, { id: 7, items: ['tea', 'milk'] });
 * console.log(codec.decode(order, bytes).items);
 * ```
 */
export function struct<const F extends Fields>(fields: F): StructCodec<F> {
  const { minSize, encode, decode } = fieldList('a struct', fields);
  return { fields, minSize, encode, decode: decode as () => StructOutput<F> };
}

interface Field {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly optional: boolean;
  /** Whether every object inherits a property of this name. */
  readonly inherited: boolean;
}

/** The encoding of some fields. */
export interface FieldList {
  readonly minSize: number;
  readonly encode: (writer: BinaryWriter, value: unknown) => void;
  readonly decode: (reader: BinaryReader) => unknown;
}

/**
 * Encodes named values one after the other, for structs and for the cases of unions.
 *
 * @param tag - a property that decoded objects get in addition, with its value.
 */
export function fieldList(what: string, fields: Fields, tag?: readonly [string, string]): FieldList {
  const given: unknown = fields;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`the fields of ${what} must be an object, not ${kindOf(given)}`);
  }
  let minSize = 0;
  const list = Object.entries(fields).map(([name, field]): Field => {
    // An assignment to it would change the prototype of the decoded object.
    if (name === '__proto__') throw new TypeError(`${what} cannot have a field '__proto__'`);
    const codec = codecOf(`the field '${name}' of ${what}`, field);
    minSize += minSizeOf(`the field '${name}' of ${what}`, codec);
    const optional = 'optional' in codec && codec.optional === true;
    return { name, codec, optional, inherited: name in Object.prototype };
  });
  return {
    minSize,
    encode(writer, value) {
      if (typeof value !== 'object' || value === null) {
        throw new TypeError(`a struct must be an object, not ${kindOf(value)}`);
      }
      const properties = value as Readonly<Record<string, unknown>>;
      let step = '';
      try {
        for (const { name, codec, inherited } of list) {
          step = name;
          codec.encode(writer, inherited && !Object.hasOwn(value, name) ? undefined : properties[name]);
        }
      } catch (error) {
        addPathStep(writer, error, step);
        throw error;
      }
    },
    decode(reader) {
      const value: Record<string, unknown> = tag === undefined ? {} : { [tag[0]]: tag[1] };
      let step = '';
      try {
        for (const { name, codec, optional } of list) {
          step = name;
          const part = codec.decode(reader);
          if (part !== undefined || !optional) value[name] = part;
        }
      } catch (error) {
        addPathStep(reader, error, step);
        throw error;
      }
      return value;
    },
  };
}

/**
 * A value or `undefined`: the byte 1 and the value, or the byte 0. A struct may lack such a field.
 */
export function optional<I, O>(value: Codec<I, O>): OptionalCodec<I, O>;
export function optional<S extends StandardSchema>(value: S): OptionalCodec<Input<S>, Output<S>>;
export function optional(value: PayloadType): OptionalCodec<unknown> {
  return { ...oneOrNone('optional', value, undefined), optional: true };
}

/** A value or `null`: the byte 1 and the value, or the byte 0. */
export function nullable<I, O>(value: Codec<I, O>): Codec<I | null, O | null>;
export function nullable<S extends StandardSchema>(value: S): Codec<Input<S> | null, Output<S> | null>;
export function nullable(value: PayloadType): Codec<unknown> {
  return oneOrNone('nullable', value, null);
}

function oneOrNone(what: string, part: PayloadType, none: null | undefined): Codec<unknown> {
  const codec = codecOf(`the value of ${what}`, part);
  minSizeOf(`the value of ${what}`, codec);
  return {
    minSize: 1,
    encode(writer, value) {
      writer.writeBool(value !== none);
      if (value !== none) codec.encode(writer, value);
    },
    decode: (reader) => (readFlag(reader, `the first byte of ${what}`) ? codec.decode(reader) : none),
  };
}

// One counter for all lazy codecs: codecs that refer to each other share one stack.
let depth = 0;

/**
 * A codec that is created on first use, so that a type can contain itself. It must take at least
 * one byte.
 *
 * Values may be nested 64 levels deep. Deeper values fail to decode, and sending them is a
 * RangeError.
 */
export function lazy<I, O>(get: () => Codec<I, O>): Codec<I, O>;
export function lazy<S extends StandardSchema>(get: () => S): Codec<Input<S>, Output<S>>;
export function lazy(get: () => PayloadType): Codec<unknown> {
  if (typeof get !== 'function')
    throw new TypeError(`the argument of lazy must be a function, not ${kindOf(get)}`);
  let known: Codec<unknown> | undefined;
  const target = (): Codec<unknown> => {
    if (known !== undefined) return known;
    const found = codecOf('the codec of lazy', get());
    elementSize('the codec of lazy', found);
    known = found;
    return found;
  };
  return {
    // The target may not exist yet. `elementSize` requires at least one byte of it.
    minSize: 1,
    encode(writer, value) {
      if (depth === maxDepth) throw new RangeError(`the value is nested deeper than ${maxDepth} levels`);
      depth += 1;
      try {
        target().encode(writer, value);
      } finally {
        depth -= 1;
      }
    },
    decode(reader) {
      if (depth === maxDepth) {
        throw new MalformedError(
          `the value is nested deeper than ${maxDepth} levels`,
          reader.data.subarray(reader.tell()),
        );
      }
      depth += 1;
      try {
        return target().decode(reader);
      } finally {
        depth -= 1;
      }
    },
  };
}
