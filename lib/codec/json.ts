import { type Bytes, decodeUtf8, kindOf } from '../util/bytes.js';
import { MalformedError } from '../errors.js';
import { maxDepth } from './lazy.js';

const utf8Encoder = new TextEncoder();

/** A value as JSON text. Throws a TypeError for one that JSON does not have, a RangeError for one that is too deep. */
export function encodeJson(value: unknown): Bytes {
  // Its type forgets that it answers with undefined for functions, symbols and undefined.
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON has no ${kindOf(value)}`);
  const encoded = utf8Encoder.encode(text);
  if (isDeep(encoded)) throw new RangeError(`JSON is at most ${maxDepth} levels deep`);
  return encoded;
}

/** The value of JSON text. Throws a {@link MalformedError} for anything else, and for what is too deep. */
export function decodeJson(encoded: Bytes): unknown {
  // Before parsing: what validators do with depth is use up the stack.
  if (isDeep(encoded)) throw new MalformedError(`JSON is at most ${maxDepth} levels deep`, encoded);
  let text: string;
  try {
    text = decodeUtf8(encoded);
  } catch {
    throw new MalformedError('JSON is UTF-8', encoded);
  }
  try {
    return JSON.parse(text);
  } catch {
    // Without the parser's error, which quotes the text.
    throw new MalformedError('the text is not JSON', encoded);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Whether arrays and objects lie in each other too deep. Right for JSON; of anything else the parser thinks nothing. */
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
