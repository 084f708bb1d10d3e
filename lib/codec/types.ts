import type { Codec } from './codec.js';
import type { SchemaTypes } from './schema.js';

/** What may be sent with a codec or a schema. */
export type Input<C> =
  C extends SchemaTypes<infer I, unknown> ? I : C extends Codec<infer I, unknown> ? I : never;

/** What is received with a codec or a schema. */
export type Output<C> =
  C extends SchemaTypes<unknown, infer O> ? O : C extends Codec<never, infer O> ? O : never;

/** The same type, written out: what people see of it are its properties. */
export type Flat<T> = { [K in keyof T]: T[K] } & {};
