import type { SchemaIssue } from '../errors.js';

/** The types that a schema stands for: they exist for the compiler only. */
export interface SchemaTypes<out Input, out Output> {
  readonly '~standard': {
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema makes of a value: another value, or issues. */
export type SchemaResult<Output = unknown> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/**
 * What the library needs of a schema: the interface of Standard Schema, version 1, which the validators of many libraries
 * have.
 *
 * @typeParam Input - what may be sent.
 * @typeParam Output - what is received, after the schema has checked and perhaps changed it.
 */
export interface StandardSchema<Input = unknown, Output = Input> extends SchemaTypes<Input, Output> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | PromiseLike<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** Whether a value is a schema; some are functions. */
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
