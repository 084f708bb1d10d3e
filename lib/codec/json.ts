import { utf8 } from '../binary/encodings.js';
import type { BinaryReader } from '../binary/reader.js';
import { type Bytes, kindOf } from '../util/bytes.js';
import type { Codec } from './codec.js';
import { malformed, maxDepth } from './helpers.js';

/** The values that `codec.json` receives. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** The values that `codec.json` sends. Properties that are undefined are left out. */
export type JsonInput =
  null | boolean | number | string | readonly JsonInput[] | { readonly [key: string]: JsonInput | undefined };

const utf8Encoder = new TextEncoder();

/** The size of a length and one digit. */
export const minJsonSize = 5;

/**
 * Any JSON value: the length of its text in bytes as a uint32, then the text in UTF-8. The text is
 * the result of `JSON.stringify`; a value without one is a TypeError. Values may be nested 64
 * levels deep.
 */
export const json: Codec<JsonInput, JsonValue> = {
  minSize: minJsonSize,
  encode(writer, value) {
    const text = encodeJson(value);
    writer.writeUint(text.length);
    writer.write(text);
  },
  decode: (reader) => decodeJson(reader, reader.readUint()) as JsonValue,
};

/**
 * A value as JSON text. Throws a TypeError for a value without a JSON form, a RangeError for deep
 * nesting.
 */
export function encodeJson(value: unknown): Bytes {
  // The declared type is wrong: functions, symbols and undefined give undefined.
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON cannot represent ${kindOf(value)}`);
  const encoded = utf8Encoder.encode(text);
  if (isDeep(encoded)) throw new RangeError(`the JSON value is nested deeper than ${maxDepth} levels`);
  return encoded;
}

/**
 * The value of JSON text of `length` bytes. Throws a `MalformedError` for anything else, and for
 * deep nesting; the reader is then at the start of the text.
 */
export function decodeJson(reader: BinaryReader, length: number): unknown {
  const from = reader.tell();
  const encoded = reader.read(length);
  // Validators recurse, so a deep value could exhaust the stack.
  if (isDeep(encoded))
    throw malformed(reader, from, `the JSON value is nested deeper than ${maxDepth} levels`);
  const text = utf8.decode(encoded);
  if (typeof text !== 'string') throw malformed(reader, from, 'the JSON text is not UTF-8');
  try {
    return JSON.parse(text);
  } catch {
    // The parser's error is not the cause, because it quotes the text.
    throw malformed(reader, from, 'the text is not JSON');
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
