import { BinaryReader } from '../binary/reader.js';
import { BinaryWriter } from '../binary/writer.js';
import type { Codec } from './codec.js';
import { readPayload, writePayload } from './payload.js';

/**
 * The bytes of a value, for a message that has no name.
 *
 * Throws a TypeError or a RangeError that says which part of the value is wrong.
 */
export function encode<I>(codec: Codec<I, unknown>, value: I): Uint8Array {
  const writer = new BinaryWriter();
  writePayload(codec, writer, value, 'the value');
  return writer.data;
}

/**
 * The value of bytes that `encode` has made with the same codec. Parts that are bytes are views of them.
 *
 * Throws a `DecodeError` for all that does not decode, and for bytes that are left over.
 */
export function decode<O>(codec: Codec<never, O>, data: Uint8Array | ArrayBuffer): O {
  return readPayload(codec, new BinaryReader(data), { what: 'the payload', messageName: undefined });
}
