import { BinaryReader } from '../binary/reader.js';
import { encodeValue, PayloadWriter, type Payload as Codec } from '../codec/payload.js';
import type { K4netError } from '../errors.js';
import { accepted } from '../sockets/outbox.js';
import type { MessageHead } from '../transport/framing/encoder.js';
import type { Bytes } from '../util/bytes.js';
import { CallDeadlines, type Timed } from './call-deadlines.js';
import { typedCodecs, type AnyCallback } from './call.js';
import type { Payload } from './call-types.js';
import { payloadBytes } from './envelope.js';
import { isItems, rejectItems, type Items } from './items.js';
import { openingHead, streamHead, type OpenFields } from './stream-open.js';

/**
 * The code that streaming calls share with the rest of the queue. They get it as an object and
 * import only its types: a bundler would move what both import into one more chunk, which every
 * page loads at start.
 */
export interface StreamTools {
  /** The promise of a message that was sent at once. */
  readonly accepted: Promise<void>;
  readonly read: (item: Bytes) => BinaryReader;
  /** The bytes of a payload. Throws the error of its constructor. */
  readonly write: (item: unknown) => Bytes;
  readonly openingHead: (id: number, name: string, fields: OpenFields) => MessageHead;
  readonly streamHead: (type: number, id: number) => MessageHead;
  /** The bytes of a value. */
  readonly encode: (codec: Codec, value: unknown) => Bytes;
  /** Encodes one value after another. The bytes of each are valid until the next. */
  readonly encoder: (codec: Codec) => (value: unknown) => Bytes;
  readonly isItems: (value: unknown) => value is Items<unknown>;
  readonly rejectItems: (items: Items<unknown>, name: string) => K4netError;
  /** The codecs of a callback of a typed queue. */
  readonly codecsOf: (callback: object) => AnyCallback[typeof typedCodecs];
  readonly deadlines: <T extends Timed>(onDue: (item: T) => void) => CallDeadlines<T>;
}

export const streamTools: StreamTools = {
  accepted,
  read: (item) => new BinaryReader(item),
  write: (item) => payloadBytes(item as Payload),
  openingHead,
  streamHead,
  encode: encodeValue,
  encoder,
  isItems,
  rejectItems,
  codecsOf: (callback) => (callback as AnyCallback)[typedCodecs],
  deadlines: (onDue) => new CallDeadlines(onDue),
};

function encoder(codec: Codec): (value: unknown) => Bytes {
  let last: PayloadWriter | undefined;
  return (value) => {
    if (last) PayloadWriter.give(last);
    last = PayloadWriter.take();
    codec.write(last, value);
    return last.data;
  };
}
