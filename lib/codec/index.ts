export { DecodeError, EndOfDataError, K4netError, MalformedError } from '../errors.js';
export type { DecodeErrorOptions, SchemaIssue } from '../errors.js';
export type { AnyCodec, Codec, OptionalCodec, PayloadType, SchemaResult, StandardSchema } from './codec.js';
export type { TupleInput, TupleOutput } from './collections.js';
export * from './combinators.js';
export type { JsonInput, JsonValue } from './json.js';
export type { Messages, RequestType } from './messages.js';
export type { Fields, StructCodec, StructInput, StructOutput } from './struct.js';
export type { Cases, UnionInput, UnionOutput } from './union.js';
