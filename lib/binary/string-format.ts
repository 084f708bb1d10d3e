import { kindOf } from '../util/bytes.js';
import { ownOptions } from '../util/options.js';
import { checkCount } from './cursor.js';
import { codecs, type Codec, type StringEncoding } from './encodings.js';

/** The encoding of a string. */
export interface StringOptions {
  /** Length of the field in bytes. Default: none, so the string ends with a terminator. */
  readonly size?: number | undefined;
  /** Default `'utf-8'`. */
  readonly encoding?: StringEncoding | undefined;
  /**
   * The byte that fills a field up to its size, or terminates a string without one: a number or a
   * `Uint8Array` of length 1. With `'utf-16le'` it is the 16-bit unit of that value. Default 0.
   */
  readonly pad?: number | Uint8Array | undefined;
}

/**
 * The encoding of a string of raw bytes: with a size or a terminator like text, but not decoded.
 */
export interface RawStringOptions {
  /** Length of the field in bytes. Default: none, so the string ends with a terminator. */
  readonly size?: number | undefined;
  /** No encoding: the value is a `Uint8Array`. */
  readonly encoding: null;
  /** As in {@link StringOptions}. */
  readonly pad?: number | Uint8Array | undefined;
}

/** Checked string options. The codec of raw bytes is null. */
export interface StringFormat {
  readonly codec: Codec | null;
  readonly unit: 1 | 2;
  readonly size: number | undefined;
  readonly pad: number;
}

const names = ['size', 'encoding', 'pad'];
const usual: StringFormat = { codec: codecs.get('utf-8') ?? null, unit: 1, size: undefined, pad: 0 };

export function stringFormat(
  where: string,
  given: StringOptions | RawStringOptions | undefined,
): StringFormat {
  if (given === undefined) return usual;
  const options = ownOptions(where, given, names);
  const codec = checkEncoding(options.encoding);
  const unit = codec?.unit ?? 1;
  const size = options.size === undefined ? undefined : checkCount('the size of a string', options.size);
  if (size !== undefined && size % unit !== 0) {
    throw new RangeError(`the size of a utf-16le string must be an even number of bytes, not ${size}`);
  }
  return { codec, unit, size, pad: checkPad(options.pad, codec) };
}

/**
 * The format of array elements. Rejects a size of 0: the length of the data would not limit their
 * count.
 */
export function elementFormat(
  where: string,
  options: StringOptions | RawStringOptions | undefined,
): StringFormat {
  const format = stringFormat(where, options);
  if (format.size === 0) throw new RangeError('the size of a string in an array must be 1 or more, not 0');
  return format;
}

function checkEncoding(encoding: unknown): Codec | null {
  if (encoding === null) return null;
  if (encoding === undefined) return usual.codec;
  if (typeof encoding !== 'string') {
    throw new TypeError(`an encoding must be a string or null, not ${kindOf(encoding)}`);
  }
  const codec = codecs.get(encoding);
  if (codec !== undefined) return codec;
  throw new RangeError(`unknown encoding '${encoding}': use one of ${[...codecs.keys()].join(', ')}`);
}

function checkPad(pad: unknown, codec: Codec | null): number {
  if (pad === undefined) return 0;
  let value: unknown = pad;
  if (pad instanceof Uint8Array) {
    if (pad.length !== 1) throw new RangeError(`a pad must be one byte, not ${pad.length} bytes`);
    value = pad[0];
  }
  if (typeof value !== 'number')
    throw new TypeError(`a pad must be a number or a Uint8Array, not ${kindOf(pad)}`);
  const limit = codec?.padLimit ?? 0xff;
  if (Number.isInteger(value) && value >= 0 && value <= limit) return value;
  throw new RangeError(`the pad of ${codec?.name ?? 'raw'} strings must be from 0 to ${limit}, not ${value}`);
}

/** The bytes of a string, cut to its size, without pads and terminator. */
export function encodeString(format: StringFormat, value: unknown): Uint8Array {
  const { codec, size } = format;
  const bytes = codec === null ? rawBytes(value) : codec.encode(checkText(value));
  if (size !== undefined) {
    return bytes.length <= size ? bytes : bytes.subarray(0, codec === null ? size : codec.cut(bytes, size));
  }
  const at = findPad(format, bytes, 0, bytes.length);
  if (at === -1) return bytes;
  throw new RangeError(
    `a string without a size cannot contain its terminator, ${format.pad}, as it does at byte ${at}`,
  );
}

function checkText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`text must be a string, not ${kindOf(value)}`);
}

function rawBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`a string with the encoding null must be a Uint8Array, not ${kindOf(value)}`);
}

/** Where the first pad between two offsets begins, or -1. */
export function findPad(format: StringFormat, bytes: Uint8Array, from: number, end: number): number {
  const { unit, pad } = format;
  if (unit === 1) {
    const at = bytes.indexOf(pad, from);
    return at < end ? at : -1;
  }
  for (let at = from; at + 1 < end; at += 2) if (isPad(bytes, at, pad)) return at;
  return -1;
}

/** The end of the bytes between two offsets without their trailing pads. */
export function stripPads(format: StringFormat, bytes: Uint8Array, from: number, end: number): number {
  const { unit, pad } = format;
  let stop = end;
  if (unit === 1) while (stop > from && bytes[stop - 1] === pad) stop -= 1;
  else while (stop > from && isPad(bytes, stop - 2, pad)) stop -= 2;
  return stop;
}

export function fillPads(format: StringFormat, bytes: Uint8Array, from: number, end: number): void {
  bytes.fill(format.pad, from, end);
  if (format.unit === 2) for (let at = from + 1; at < end; at += 2) bytes[at] = 0;
}

function isPad(bytes: Uint8Array, at: number, pad: number): boolean {
  return bytes[at] === pad && bytes[at + 1] === 0;
}
