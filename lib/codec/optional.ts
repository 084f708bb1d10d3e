import { type Codec, minSizeOf, type OptionalCodec } from './codec.js';
import { readFlag } from './read-helpers.js';

/** A value or `undefined`: a byte 1 and the value, or a byte 0. In a struct, the property may be missing. */
export function optional<I, O>(codec: Codec<I, O>): OptionalCodec<I, O> {
  return { ...oneOrNone('optional', codec, undefined), optional: true };
}

/** A value or `null`: a byte 1 and the value, or a byte 0. */
export function nullable<I, O>(codec: Codec<I, O>): Codec<I | null, O | null> {
  return oneOrNone('nullable', codec, null);
}

function oneOrNone<I, O, N>(what: string, codec: Codec<I, O>, none: N): Codec<I | N, O | N> {
  minSizeOf(`the value of ${what}`, codec);
  return {
    minSize: 1,
    encode(writer, value) {
      writer.writeBool(value !== none);
      if (value !== none) codec.encode(writer, value as I);
    },
    decode: (reader) => (readFlag(reader, `the mark of ${what}`) ? codec.decode(reader) : none),
  };
}
