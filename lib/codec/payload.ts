import { BinaryReader } from '../binary/reader.js';
import { BinaryWriter } from '../binary/writer.js';
import { type Bytes, decodeUtf8, kindOf } from '../util/bytes.js';
import { DecodeError, K4netError, MalformedError, type SchemaIssue } from '../errors.js';
import { type Codec, erase, type StandardSchema } from './codec.js';
import { isPromiseLike } from '../util/wait.js';
import { formatPath, maxDepth, pathOf, type Step } from './helpers.js';

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
      throw undecodable(
        new TypeError(`the schema returned ${kindOf(result)}, not a result`),
        this.#subject,
        0,
        '',
      );
    }
    const { issues, value } = result as {
      readonly issues?: readonly SchemaIssue[];
      readonly value?: unknown;
    };
    if (issues === undefined) return value;
    const { what, messageName } = this.#subject;
    const path = formatPath((issues[0]?.path ?? []).map(stepOf)).slice(0, maxPath);
    throw new DecodeError(what, 'the schema rejects it', { messageName, offset: 0, path, issues });
  }
}

/** Longest path in an error message: its keys may come from the peer. */
const maxPath = 256;

function stepOf(key: PropertyKey | { readonly key: PropertyKey }): Step {
  const plain = typeof key === 'object' ? key.key : key;
  return typeof plain === 'number' ? plain : String(plain);
}

function undecodable(cause: unknown, subject: Subject, offset: number, path: string): DecodeError {
  // An error of another library may quote the payload, so its message stays in the cause.
  const why = K4netError.is(cause) ? cause.message : `decoding it threw ${kindOf(cause)}`;
  return new DecodeError(subject.what, why, { messageName: subject.messageName, offset, path, cause });
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

const utf8Encoder = new TextEncoder();

/**
 * A value as JSON text. Throws a TypeError for a value without a JSON form, a RangeError for deep
 * nesting.
 */
function encodeJson(value: unknown): Bytes {
  // The declared type is wrong: functions, symbols and undefined give undefined.
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON cannot represent ${kindOf(value)}`);
  const encoded = utf8Encoder.encode(text);
  if (isDeep(encoded)) throw new RangeError(`the JSON value is nested deeper than ${maxDepth} levels`);
  return encoded;
}

/**
 * The value of JSON text. Throws a {@link MalformedError} for anything else, and for deep nesting.
 */
function decodeJson(encoded: Bytes): unknown {
  // Validators recurse, so a deep value could exhaust the stack.
  if (isDeep(encoded))
    throw new MalformedError(`the JSON value is nested deeper than ${maxDepth} levels`, encoded);
  let text: string;
  try {
    text = decodeUtf8(encoded);
  } catch {
    throw new MalformedError('the JSON text is not UTF-8', encoded);
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's error is not the cause, because it quotes the text.
    throw new MalformedError('the text is not JSON', encoded);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Whether arrays and objects are nested too deep. Only correct for JSON; the parser rejects other
 * text.
 */
function isDeep(text: Bytes): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at];
    if (byte === quote) quoted = !quoted;
    else if (quoted) {
      if (byte === backslash) at += 1;
    } else if (byte === openBracket || byte === openBrace) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (byte === closeBracket || byte === closeBrace) depth -= 1;
  }
  return false;
}
