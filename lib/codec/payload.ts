import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import { kindOf } from '../util/bytes.js';
import { DecodeError, K4netError, type SchemaIssue } from '../errors.js';
import type { Codec } from './codec.js';
import { isPromiseLike } from '../util/wait.js';
import { decodeJson, encodeJson } from './json.js';
import type { StandardSchema } from './schema.js';
import { formatPath, pathOf, type Step } from './error-path.js';

/** What a payload is called in errors. */
export interface Subject {
  /** Such as `the answer of 'add'`. */
  readonly what: string;
  readonly messageName: string | undefined;
}

/** How the payload of one message is written and read, whatever it is described with. */
export interface Payload {
  /** Throws a TypeError or a RangeError that says where a value is wrong. */
  write(writer: BinaryWriter, value: unknown): void;
  /**
   * Reads to the end and passes the value on, with `context`; answers what `use` answers, or a promise of it where the
   * value takes a promise. Throws a {@link DecodeError}, or rejects with it.
   */
  read<Context>(reader: BinaryReader, use: Use<Context>, context: Context): unknown;
}

type Use<Context> = (value: unknown, context: Context) => unknown;

/** Writes a whole payload. */
export function writePayload<I>(
  codec: Codec<I, unknown>,
  writer: BinaryWriter,
  value: I,
  what: string,
): void {
  try {
    codec.encode(writer, value);
  } catch (error) {
    throw unencodable(error, what, pathOf(writer, error)) as Error;
  }
}

/** Reads a whole payload: nothing may be left over. */
export function readPayload<O>(codec: Codec<never, O>, reader: BinaryReader, subject: Subject): O {
  const start = reader.tell();
  let value: O;
  try {
    value = codec.decode(reader);
  } catch (error) {
    throw undecodable(error, subject, Math.max(0, reader.tell() - start), pathOf(reader, error));
  }
  const { remaining } = reader;
  if (remaining === 0) return value;
  const { what, messageName } = subject;
  const offset = reader.tell() - start;
  throw new DecodeError(what, `${remaining} bytes are left over`, { messageName, offset, path: '' });
}

/** A payload that a codec describes. Nothing of it is asynchronous. */
export class CodecPayload implements Payload {
  readonly #codec: Codec<unknown>;
  readonly #subject: Subject;

  constructor(codec: Codec<unknown>, subject: Subject) {
    this.#codec = codec;
    this.#subject = subject;
  }

  write(writer: BinaryWriter, value: unknown): void {
    writePayload(this.#codec, writer, value, this.#subject.what);
  }

  read<Context>(reader: BinaryReader, use: Use<Context>, context: Context): unknown {
    return use(readPayload(this.#codec, reader, this.#subject), context);
  }
}

/** A payload of JSON that a schema describes. The schema is asked where it arrives: there it is needed. */
export class SchemaPayload implements Payload {
  readonly #schema: StandardSchema;
  readonly #subject: Subject;

  constructor(schema: StandardSchema, subject: Subject) {
    this.#schema = schema;
    this.#subject = subject;
  }

  write(writer: BinaryWriter, value: unknown): void {
    try {
      writer.write(encodeJson(value));
    } catch (error) {
      throw unencodable(error, this.#subject.what, '') as Error;
    }
  }

  read<Context>(reader: BinaryReader, use: Use<Context>, context: Context): unknown {
    let result: unknown;
    try {
      result = this.#schema['~standard'].validate(decodeJson(reader.read()));
    } catch (error) {
      throw undecodable(error, this.#subject, 0, '');
    }
    if (!isPromiseLike(result)) return use(this.#open(result), context);
    return Promise.resolve(result).then(
      (settled) => use(this.#open(settled), context),
      (error: unknown) => {
        throw undecodable(error, this.#subject, 0, '');
      },
    );
  }

  #open(result: unknown): unknown {
    if (typeof result !== 'object' || result === null) {
      throw undecodable(new TypeError(`the schema answered with ${kindOf(result)}`), this.#subject, 0, '');
    }
    const { issues, value } = result as {
      readonly issues?: readonly SchemaIssue[];
      readonly value?: unknown;
    };
    if (issues === undefined) return value;
    const { what, messageName } = this.#subject;
    const path = formatPath((issues[0]?.path ?? []).map(stepOf)).slice(0, maxPath);
    throw new DecodeError(what, 'the schema refuses it', { messageName, offset: 0, path, issues });
  }
}

/** Enough for people; the keys may be the peer's. */
const maxPath = 256;

function stepOf(key: PropertyKey | { readonly key: PropertyKey }): Step {
  const plain = typeof key === 'object' ? key.key : key;
  return typeof plain === 'number' ? plain : String(plain);
}

function undecodable(cause: unknown, subject: Subject, offset: number, path: string): DecodeError {
  // What others throw may quote the payload: it stays in the cause.
  const why = K4netError.is(cause) ? cause.message : `decoding it threw ${kindOf(cause)}`;
  return new DecodeError(subject.what, why, { messageName: subject.messageName, offset, path, cause });
}

/** The error of a wrong value, with its place. What is no error of the value, such as one of a getter, stays itself. */
function unencodable(error: unknown, what: string, path: string): unknown {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error;
  const message = `${what}${path === '' ? '' : `, ${path}`}: ${error.message}`;
  const options = { cause: error };
  return error instanceof TypeError ? new TypeError(message, options) : new RangeError(message, options);
}
