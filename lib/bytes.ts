/** The one byte type of the library: any `Uint8Array`, Node's `Buffer` included. */
export type Bytes = Uint8Array;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a message as a caller may give it. */
export function toBytes(data: Bytes | string): Bytes {
  if (typeof data === 'string') return utf8Encoder.encode(data);
  if (data instanceof Uint8Array) return data;
  throw new TypeError(`a message is a Uint8Array or a string, not ${kindOf(data)}`);
}

/** Text from UTF-8, strictly: throws a TypeError for bytes that are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Bytes): string {
  return utf8Decoder.decode(bytes);
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

/** Writes an unsigned 32-bit little-endian integer; the caller has checked the range and the room. */
export function writeU32(bytes: Bytes, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

/** A word for the kind of a value, for messages about wrong arguments. Never shows the value itself. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return typeof value;
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'an object';
}
