import { K4netError, MalformedError, type SchemaIssue } from '../errors.js';
import { kindOf } from '../util/bytes.js';
import { isPromiseLike } from '../util/wait.js';
import type { Codec, StandardSchema } from './codec.js';
import { formatPath, type Step } from './helpers.js';
import { decodeJson, json, type JsonInput, minJsonSize } from './json.js';

/** Longest path in an error message: its keys may come from the peer. */
const maxPath = 256;

/**
 * A schema rejects a value. The payload with that value fails with a `DecodeError`, which has the
 * issues.
 */
export class SchemaError extends K4netError {
  // Private: some schemas quote data of the peer, which a print must not show.
  readonly #issues: readonly SchemaIssue[];

  constructor(issues: readonly SchemaIssue[]) {
    super('K4NET_MALFORMED', 'the schema rejects it');
    this.#issues = issues;
  }

  get issues(): readonly SchemaIssue[] {
    return this.#issues;
  }

  /** The path of the first issue, inside the value. */
  get path(): string {
    return formatPath((this.#issues[0]?.path ?? []).map(stepOf)).slice(0, maxPath);
  }
}

function stepOf(key: PropertyKey | { readonly key: PropertyKey }): Step {
  const plain = typeof key === 'object' ? key.key : key;
  return typeof plain === 'number' ? plain : String(plain);
}

/** The value in the result of a schema. Throws a {@link SchemaError} for issues. */
export function valueOf(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) {
    throw new TypeError(`the schema returned ${kindOf(result)}, not a result`);
  }
  const { issues, value } = result as {
    readonly issues?: readonly SchemaIssue[];
    readonly value?: unknown;
  };
  if (issues === undefined) return value;
  throw new SchemaError(issues);
}

/** The codec of a schema for a part of a payload: JSON, which only the receiver checks. */
export function schemaCodec(schema: StandardSchema): Codec<unknown> {
  return {
    minSize: minJsonSize,
    encode(writer, value) {
      json.encode(writer, value as JsonInput);
    },
    decode(reader) {
      const length = reader.readUint();
      const from = reader.tell();
      const given = decodeJson(reader, length);
      try {
        const result = schema['~standard'].validate(given);
        if (!isPromiseLike(result)) return valueOf(result);
        // Its value is not used, so a rejection must not count as unhandled.
        void Promise.resolve(result).catch(() => undefined);
        throw new MalformedError(
          'the schema returned a promise: an async schema must describe a whole payload, not a part',
          reader.data.subarray(from, from + length),
        );
      } catch (error) {
        // The offset of the error.
        reader.seek(from);
        throw error;
      }
    },
  };
}
