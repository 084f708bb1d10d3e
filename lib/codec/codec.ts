import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import type { SchemaIssue } from '../errors.js';

/**
 * The binary layout of the values of one type. The functions of `codec` return codecs; any other
 * object with these members is one too.
 *
 * A codec of your own must read exactly the bytes that it wrote. It must not depend on `remaining`
 * and must keep no state.
 *
 * @typeParam Input - the values that can be sent.
 * @typeParam Output - the values that are received.
 *
 * @example
 * ```ts
 * import { codec, type Codec } from 'k4net';
 *
 * const link: Codec<URL> = {
 *   minSize: 4,
 *   encode: (writer, value) => codec.string.encode(writer, value.href),
 *   decode: (reader) => new URL(codec.string.decode(reader)),
 * };
 * const bytes = codec.encode(codec.array(link), [new URL('https://example.org/')]);
 * console.log(codec.decode(codec.array(link), bytes));
 * ```
 */
export interface Codec<in Input, out Output = Input> {
  /**
   * Smallest number of bytes of a value. Default 1. A count from a peer is compared with it before
   * memory is allocated, so elements of arrays and maps need 1 or more.
   */
  readonly minSize?: number;
  /** Writes a value. Throws a TypeError or a RangeError for a value that it does not accept. */
  encode(writer: BinaryWriter, value: Input): void;
  /** Reads a value. If it throws anything, the whole payload fails with a `DecodeError`. */
  decode(reader: BinaryReader): Output;
}

/** A codec of any values. */
export type AnyCodec = Codec<never, unknown>;

/** A field of a struct that may be missing. */
export interface OptionalCodec<in Input, out Output = Input> extends Codec<
  Input | undefined,
  Output | undefined
> {
  readonly optional: true;
}

/** The types of a schema. They exist at compile time only. */
export interface SchemaTypes<out Input, out Output> {
  readonly '~standard': {
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The result of a schema: a value, or issues. */
export type SchemaResult<Output = unknown> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/**
 * A schema with the interface of Standard Schema, version 1, which many validation libraries
 * implement.
 *
 * @typeParam Input - the values that can be sent.
 * @typeParam Output - the values that are received, as the schema returns them.
 */
export interface StandardSchema<Input = unknown, Output = Input> extends SchemaTypes<Input, Output> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | PromiseLike<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The values that can be sent with a codec or a schema. */
export type Input<C> =
  C extends SchemaTypes<infer I, unknown> ? I : C extends Codec<infer I, unknown> ? I : never;

/** The values that are received with a codec or a schema. */
export type Output<C> =
  C extends SchemaTypes<unknown, infer O> ? O : C extends Codec<never, infer O> ? O : never;

/** The same type with its properties written out, as editors show it. */
export type Flat<T> = { [K in keyof T]: T[K] } & {};

/** The description of a payload, or of a part of one: a codec, or a schema for JSON. */
export type PayloadType = AnyCodec | StandardSchema;

/** Hides the types of a codec from code that handles values of any type. */
export function erase(codec: AnyCodec): Codec<unknown> {
  return codec as Codec<unknown>;
}

/** Whether a value has the methods of a codec. */
export function isCodec(value: unknown): value is Codec<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { encode, decode } = value as Partial<Record<keyof AnyCodec, unknown>>;
  return typeof encode === 'function' && typeof decode === 'function';
}

/** Whether a value is a schema. The schemas of some libraries are functions. */
export function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard: unknown = '~standard' in value ? value['~standard'] : undefined;
  return (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  );
}
