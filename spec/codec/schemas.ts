import type { SchemaIssue } from '../../lib/errors.js';
import type { SchemaResult, StandardSchema } from '../../lib/codec/codec.js';

/** A schema as validators make them, from a function that throws issues. */
export function schema<Input, Output = Input>(
  check: (value: unknown) => Output,
): StandardSchema<Input, Output> {
  return { '~standard': { version: 1, vendor: 'k4net-spec', validate: (value) => attempt(check, value) } };
}

/** The same, but it takes a turn. */
export function slowSchema<Input, Output = Input>(
  check: (value: unknown) => Output,
): StandardSchema<Input, Output> {
  const validate = (value: unknown): Promise<SchemaResult<Output>> =>
    Promise.resolve().then(() => attempt(check, value));
  return { '~standard': { version: 1, vendor: 'k4net-spec', validate } };
}

/** Thrown inside of a check: the value has these issues. */
export class Refused extends Error {
  readonly issues: readonly SchemaIssue[];

  constructor(...issues: SchemaIssue[]) {
    super('refused');
    this.issues = issues;
  }
}

function attempt<Output>(check: (value: unknown) => Output, value: unknown): SchemaResult<Output> {
  try {
    return { value: check(value) };
  } catch (error) {
    if (error instanceof Refused) return { issues: error.issues };
    throw error;
  }
}

/** The parts of an object, which a check may then look at. */
export function parts(value: unknown): Partial<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new Refused({ message: 'no object' });
  return value;
}
