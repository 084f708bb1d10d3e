// Type-checked against the packed package, with neither Node's types nor the DOM's. It is never
// run.
import { type BinaryReader, codec, type Codec, type DecodeError } from 'k4net';
import * as binary from 'k4net/binary';
import * as codecs from 'k4net/codec';

/** Classes with private fields are compatible only if they are one class. */
export const reader: BinaryReader = new binary.BinaryReader(new binary.BinaryWriter().data);
const options = { messageName: undefined, offset: 0, path: '' };
export const error: DecodeError = new codecs.DecodeError('payload', 'why', options);

const point = codecs.struct({ x: codec.int32, y: codecs.optional(codec.int32) });
export const same: Codec<codecs.StructInput<typeof point.fields>, codecs.Output<typeof point>> = point;
