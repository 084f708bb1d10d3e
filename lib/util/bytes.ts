/** The one byte type of the library: any `Uint8Array`, Node's `Buffer` included. */
export type Bytes = Uint8Array;

/** No bytes: the one shared empty array. */
export const noBytes: Bytes = new Uint8Array(0);

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a message that a caller gave as bytes or text. */
export function toBytes(data: Bytes | string): Bytes {
  if (typeof data === 'string') return utf8Encoder.encode(data);
  if (data instanceof Uint8Array) return data;
  throw new TypeError(`a message must be a Uint8Array or a string, not ${kindOf(data)}`);
}

/** Text from strict UTF-8; keeps a byte order mark. Throws a TypeError for other bytes. */
export function decodeUtf8(bytes: Bytes): string {
  return utf8Decoder.decode(bytes);
}

/** Text as UTF-8, cut to a limit in bytes. Never cuts inside a character. */
export function cutUtf8(text: string, limit: number): Bytes {
  const bytes = utf8Encoder.encode(text);
  if (bytes.length <= limit) return bytes;
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

/** An unsigned 32-bit little-endian integer; the caller has checked that four bytes are there. */
export function readU32(bytes: Bytes, offset: number): number {
  return (
    ((bytes[offset] ?? 0) |
      ((bytes[offset + 1] ?? 0) << 8) |
      ((bytes[offset + 2] ?? 0) << 16) |
      ((bytes[offset + 3] ?? 0) << 24)) >>>
    0
  );
}

/**
 * Writes an unsigned 32-bit little-endian integer; the caller has checked the range and the room.
 */
export function writeU32(bytes: Bytes, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

/** An unsigned 16-bit little-endian integer; the caller has checked that two bytes are there. */
export function readU16(bytes: Bytes, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
}

/** An unsigned 16-bit little-endian integer as two new bytes. */
export function u16Bytes(value: number): Bytes {
  return Uint8Array.of(value, value >>> 8);
}

/** An unsigned 32-bit little-endian integer as four new bytes. */
export function u32Bytes(value: number): Bytes {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** A view of some bytes: a plain `Uint8Array`, faster to make than `subarray` of a `Buffer`. */
export function viewOf(bytes: Bytes, start: number, end: number): Bytes {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** Whether a value is an `ArrayBuffer`, also one of another realm, such as a frame. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === '[object ArrayBuffer]';
}

/** Bytes by which a buffer may exceed twice the kept bytes before they are copied. */
const spareBytes = 64;

/**
 * The bytes, or a copy of them if they would keep a much larger buffer alive. So a queue uses at
 * most twice the memory that it counts.
 */
export function compact(bytes: Bytes): Bytes {
  return bytes.buffer.byteLength > 2 * bytes.length + spareBytes ? new Uint8Array(bytes) : bytes;
}

/** A new array with the bytes of all parts. */
export function concatBytes(parts: readonly Bytes[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Constant-time comparison of byte strings: the time depends on their lengths only. */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index += 1) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}

/** The bytes of ASCII text that the library defines. */
export function ascii(text: string): Bytes {
  return utf8Encoder.encode(text);
}

/** Lower-case hexadecimal digits. */
export function toHex(bytes: Bytes): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** The type of a value for messages about wrong arguments. Never contains the value. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return typeof value;
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'an object';
}
