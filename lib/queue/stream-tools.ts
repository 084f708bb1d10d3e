import { BinaryReader } from '../binary/reader.js';
import type { K4netError } from '../errors.js';
import { accepted } from '../sockets/outbox.js';
import type { MessageHead } from '../transport/framing/encoder.js';
import type { Bytes } from '../util/bytes.js';
import { CallDeadlines, type Timed } from './call-deadlines.js';
import type { Payload } from './call-types.js';
import { payloadBytes } from './envelope.js';
import { itemsIn, rejectItems, type EncodedItems } from './items.js';
import { openingHead, streamHead, type OpenFields } from './stream-open.js';

/**
 * The code that streaming calls share with the rest of the queue. They get it as an object and
 * import only its types: a bundler would move what both import into one more chunk, which every
 * page loads at start.
 */
export interface StreamTools {
  /** The promise of a message that was sent at once. */
  readonly accepted: Promise<void>;
  readonly read: (item: Bytes) => unknown;
  /** The bytes of a payload. Throws the error of its constructor. */
  readonly write: (item: unknown) => Bytes;
  readonly openingHead: (id: number, name: string, fields: OpenFields) => MessageHead;
  readonly streamHead: (type: number, id: number) => MessageHead;
  readonly itemsIn: (result: unknown) => EncodedItems | undefined;
  readonly rejectItems: (items: EncodedItems, name: string) => K4netError;
  readonly deadlines: <T extends Timed>(onDue: (item: T) => void) => CallDeadlines<T>;
}

export const streamTools: StreamTools = {
  accepted,
  read: (item) => new BinaryReader(item),
  write: (item) => payloadBytes(item as Payload),
  openingHead,
  streamHead,
  itemsIn,
  rejectItems,
  deadlines: (onDue) => new CallDeadlines(onDue),
};
