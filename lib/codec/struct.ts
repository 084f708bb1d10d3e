import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import { kindOf } from '../util/bytes.js';
import { type AnyCodec, type Codec, erase, minSizeOf } from './codec.js';
import { passed } from './error-path.js';
import type { Flat, Input, Output } from './types.js';

/** The fields of a struct: their names and codecs, in the order of the wire. */
export type Fields = Readonly<Record<string, AnyCodec>>;

type Missing<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];

/** What a struct of these fields takes. */
export type StructInput<F extends Fields> = Flat<
  { readonly [K in Exclude<keyof F, Missing<F>>]: Input<F[K]> } & {
    readonly [K in Missing<F>]?: Input<F[K]>;
  }
>;

/** What a struct of these fields gives. */
export type StructOutput<F extends Fields> = Flat<
  { -readonly [K in Exclude<keyof F, Missing<F>>]: Output<F[K]> } & {
    -readonly [K in Missing<F>]?: Output<F[K]>;
  }
>;

/** The codec of a struct. */
export interface StructCodec<F extends Fields> extends Codec<StructInput<F>, StructOutput<F>> {
  readonly minSize: number;
  /** As they were given, for a struct with some more: `struct({ ...point.fields, z: float64 })`. */
  readonly fields: F;
}

/**
 * An object with the fields that are named, one after the other in the order of their declaration, without their names.
 * Other properties are not sent. A field that is `optional` may be missing.
 */
export function struct<const F extends Fields>(fields: F): StructCodec<F> {
  const layout = new FieldList('a struct', fields);
  return {
    fields,
    minSize: layout.minSize,
    encode(writer, value) {
      layout.encode(writer, value);
    },
    decode(reader) {
      const value = {};
      layout.decode(reader, value);
      return value as StructOutput<F>;
    },
  };
}

interface Field {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly optional: boolean;
  /** Whether every object seems to have one of that name. */
  readonly inherited: boolean;
}

/** Named values one after the other: what a struct and a case of a union have in common. */
export class FieldList {
  readonly minSize: number;
  readonly #fields: readonly Field[];

  constructor(what: string, fields: Fields) {
    const given: unknown = fields;
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new TypeError(`the fields of ${what} are an object, not ${kindOf(given)}`);
    }
    let minSize = 0;
    this.#fields = Object.entries(fields).map(([name, codec]) => {
      // An assignment of it would change the prototype of what is decoded.
      if (name === '__proto__') throw new TypeError(`${what} cannot have a field '__proto__'`);
      minSize += minSizeOf(`the field '${name}' of ${what}`, codec);
      const optional = 'optional' in codec && codec.optional === true;
      return { name, codec: erase(codec), optional, inherited: name in Object.prototype };
    });
    this.minSize = minSize;
  }

  encode(writer: BinaryWriter, value: unknown): void {
    if (typeof value !== 'object' || value === null) {
      throw new TypeError(`a struct is an object, not ${kindOf(value)}`);
    }
    const properties = value as Readonly<Record<string, unknown>>;
    let step = '';
    try {
      for (const { name, codec, inherited } of this.#fields) {
        step = name;
        codec.encode(writer, inherited && !Object.hasOwn(value, name) ? undefined : properties[name]);
      }
    } catch (error) {
      passed(writer, error, step);
      throw error;
    }
  }

  /** Reads the fields into an object that has none of them yet. */
  decode(reader: BinaryReader, value: Record<string, unknown>): void {
    let step = '';
    try {
      for (const { name, codec, optional } of this.#fields) {
        step = name;
        const part = codec.decode(reader);
        if (part !== undefined || !optional) value[name] = part;
      }
    } catch (error) {
      passed(reader, error, step);
      throw error;
    }
  }
}
