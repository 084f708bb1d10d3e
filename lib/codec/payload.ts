import { BinaryReader } from '../binary/reader.js';
import { BinaryWriter } from '../binary/writer.js';
import { type Bytes, kindOf } from '../util/bytes.js';
import { DecodeError, K4netError } from '../errors.js';
import { type Codec, erase, type StandardSchema } from './codec.js';
import { isPromiseLike } from '../util/wait.js';
import { joinPaths, pathOf } from './helpers.js';
import { decodeJson, encodeJson } from './json.js';
import { SchemaError, valueOf } from './schema.js';

/** How errors name a payload. */
export interface Subject {
  /** Such as `the answer of 'add'`. */
  readonly what: string;
  readonly messageName: string | undefined;
}

/** Writes and reads the payload of one message, described by a codec or a schema. */
export interface Payload {
  /** For an answer: the data of the errors in its place, by code. */
  readonly errors: ErrorPayloads | undefined;
  /** Throws a TypeError or a RangeError that names the part of the value that is wrong. */
  write(writer: BinaryWriter, value: unknown): void;
  /**
   * Reads to the end. Returns the value, or a promise of it if the schema is asynchronous. Throws a
   * {@link DecodeError}, or rejects with it.
   */
  read(reader: BinaryReader): unknown;
  /** Reads like `read`. Calls `use` with the value, and returns its result or a promise of it. */
  use<Context>(reader: BinaryReader, use: Use<Context>, context: Context): unknown;
}

/** The data of the errors of a request, by code. */
export type ErrorPayloads = ReadonlyMap<string, Payload>;

type Use<Context> = (value: unknown, context: Context) => unknown;

/** The longest payload whose writer encodes another one. */
const spareSize = 1024;

/** A writer that encodes one payload after another. A new buffer for each payload costs more. */
export class PayloadWriter extends BinaryWriter {
  /** An empty writer for one payload. A codec that sends a message as it encodes gets another. */
  static take(): PayloadWriter {
    const writer = spare;
    if (writer === undefined) return new PayloadWriter();
    spare = undefined;
    writer.bytes.fill(0, 0, writer.end);
    writer.end = 0;
    writer.position = 0;
    return writer;
  }

  /** Makes a writer available again. Its bytes are valid until the next payload is encoded. */
  static give(writer: PayloadWriter): void {
    if (writer.end <= spareSize) spare = writer;
  }
}

let spare: PayloadWriter | undefined;

/** The bytes of a value. They stay valid. */
export function encodeValue(payload: Payload, value: unknown): Bytes {
  const writer = PayloadWriter.take();
  payload.write(writer, value);
  return writer.data;
}

/** A payload described by a codec. It is always synchronous. */
export class CodecPayload implements Payload {
  readonly errors: ErrorPayloads | undefined;
  readonly #codec: Codec<unknown>;
  readonly #subject: Subject;

  constructor(codec: Codec<unknown>, subject: Subject, errors?: ErrorPayloads) {
    this.errors = errors;
    this.#codec = codec;
    this.#subject = subject;
  }

  write(writer: BinaryWriter, value: unknown): void {
    try {
      this.#codec.encode(writer, value);
    } catch (error) {
      throw unencodable(error, this.#subject.what, pathOf(writer, error)) as Error;
    }
  }

  read(reader: BinaryReader): unknown {
    let value: unknown;
    try {
      value = this.#codec.decode(reader);
    } catch (error) {
      throw undecodable(error, this.#subject, reader.tell(), pathOf(reader, error));
    }
    const { remaining } = reader;
    if (remaining === 0) return value;
    const { what, messageName } = this.#subject;
    const offset = reader.tell();
    throw new DecodeError(what, `${remaining} bytes are left after the value`, {
      messageName,
      offset,
      path: '',
    });
  }

  use<Context>(reader: BinaryReader, use: Use<Context>, context: Context): unknown {
    return use(this.read(reader), context);
  }
}

/** A JSON payload described by a schema. Only the receiver validates it. */
export class SchemaPayload implements Payload {
  readonly errors: ErrorPayloads | undefined;
  readonly #schema: StandardSchema;
  readonly #subject: Subject;

  constructor(schema: StandardSchema, subject: Subject, errors?: ErrorPayloads) {
    this.errors = errors;
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

  read(reader: BinaryReader): unknown {
    return this.use(reader, itself, undefined);
  }

  use<Context>(reader: BinaryReader, use: Use<Context>, context: Context): unknown {
    let result: unknown;
    try {
      result = this.#schema['~standard'].validate(decodeJson(reader, reader.remaining));
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
    try {
      return valueOf(result);
    } catch (error) {
      throw undecodable(error, this.#subject, 0, '');
    }
  }
}

function undecodable(
  cause: unknown,
  { what, messageName }: Subject,
  offset: number,
  path: string,
): DecodeError {
  if (cause instanceof SchemaError) {
    const why = path === '' ? cause.message : `the schema of ${path} rejects it`;
    const whole = joinPaths(path, cause.path);
    return new DecodeError(what, why, { messageName, offset, path: whole, issues: cause.issues });
  }
  // An error of another library may quote the payload, so its message stays in the cause.
  const why = K4netError.is(cause) ? cause.message : `decoding it threw ${kindOf(cause)}`;
  return new DecodeError(what, why, { messageName, offset, path, cause });
}

/**
 * The error of a wrong value, with its path. Other errors, such as that of a getter, stay
 * unchanged.
 */
function unencodable(error: unknown, what: string, path: string): unknown {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error;
  const message = `${what}${path === '' ? '' : `, ${path}`}: ${error.message}`;
  const options = { cause: error };
  return error instanceof TypeError ? new TypeError(message, options) : new RangeError(message, options);
}

/**
 * Encodes a value as bytes, for a message without a name.
 *
 * @throws TypeError or RangeError that names the part of the value that is wrong.
 */
export function encode<I>(codec: Codec<I, unknown>, value: I): Uint8Array {
  const writer = new BinaryWriter();
  new CodecPayload(erase(codec), { what: 'the value', messageName: undefined }).write(writer, value);
  return writer.data;
}

/**
 * Decodes the bytes that `encode` made with the same codec. Parts that are bytes are views of
 * `data`.
 *
 * @throws DecodeError for bytes that the codec rejects, and for bytes left over.
 */
export function decode<O>(codec: Codec<never, O>, data: Uint8Array | ArrayBuffer): O {
  const payload = new CodecPayload(erase(codec), { what: 'the payload', messageName: undefined });
  return payload.read(new BinaryReader(data)) as O;
}

function itself(value: unknown): unknown {
  return value;
}
