import { K4netError, MalformedError } from '../../errors.js';
import { noBytes, type Bytes } from '../../util/bytes.js';
import type { Payload } from '../../codec/payload.js';
import type { BinaryReader } from '../../binary/reader.js';
import type { Items } from '../items.js';
import type { AcceptedStream, StreamOutlet } from '../stream-host.js';
import type { StreamTools } from '../stream-tools.js';
import type { OpenFields } from '../stream-open.js';
import type { Callback, CallbackAnswer } from '../types.js';
import { withValues } from './value-context.js';
import { ItemReceiver } from './item-receiver.js';
import { ItemSender } from './item-sender.js';
import { sourceOf } from './item-source.js';
import { openFlag, streamType } from './messages.js';

/** The events of a streaming call of the peer. */
export interface IncomingEvents {
  readonly tools: StreamTools;
  onItem(sent: boolean): void;
  /** Nothing more can arrive for this stream. */
  onOver(stream: IncomingStream): void;
}

/** A streaming call of the peer: the items of its body, and those of its answer. */
export class IncomingStream implements AcceptedStream {
  readonly id: number;
  /** False if this side has too many streams: the call fails with `K4NET_BUSY`. */
  readonly accepted: boolean;
  /** The body, for the callback. */
  readonly body: AsyncIterableIterator<BinaryReader, void> | undefined;
  readonly #fields: OpenFields;
  readonly #outlet: StreamOutlet;
  readonly #events: IncomingEvents;
  readonly #items: ItemReceiver | undefined;
  #sender: ItemSender | undefined;
  /** Whether the peer has ended the body. */
  #bodyOver: boolean;
  #stopSent = false;
  #aborted = false;
  /** The violation that ended the items of the answer. */
  #failure: MalformedError | undefined;
  #replied = false;

  constructor(
    id: number,
    accepted: boolean,
    fields: OpenFields,
    streamWindow: number,
    outlet: StreamOutlet,
    events: IncomingEvents,
  ) {
    this.id = id;
    this.accepted = accepted;
    this.#fields = fields;
    this.#outlet = outlet;
    this.#events = events;
    this.#bodyOver = (fields.flags & openFlag.body) === 0;
    if (this.#bodyOver) return;
    this.#items = new ItemReceiver(outlet, events.tools, {
      creditType: streamType.bodyCredit,
      id: () => id,
      window: streamWindow,
      granted: false,
      read: events.tools.read,
      onUndecodable: () => undefined,
      onStop: () => {
        this.#stopBody();
      },
      onWait: () => undefined,
    });
    this.body = this.#items.iterator() as AsyncIterableIterator<BinaryReader, void>;
  }

  /** A callback that sends its items, and then settles with its answer. */
  wrap(callback: Callback): Callback {
    const { codecsOf, encode, isItems } = this.#events.tools;
    const { body, item, answer } = codecsOf(callback) ?? {};
    return async (reader, context) => {
      const own = body ? withValues(context, body) : context;
      let result: unknown = callback(reader, own);
      // Items start at once, so that an ordered call starts before the messages after it.
      if (!isItems(result)) result = await result;
      if (isItems(result)) result = await this.#answer(result, context.name, item);
      return (item && answer ? encode(answer, result) : result) as CallbackAnswer;
    };
  }

  /** An item of the body has arrived. Returns why it is malformed. */
  item(bytes: Bytes): string | undefined {
    if (this.#bodyOver) return 'an item follows the end of its body';
    const items = this.#items;
    if (!items || items.over) return undefined;
    this.#events.onItem(false);
    if (items.receive(bytes)) return undefined;
    const why = 'an item has no credit';
    items.fail(new MalformedError(why, bytes), false);
    this.#stopBody();
    return why;
  }

  /** The body is complete. Returns why that is malformed. */
  endBody(): string | undefined {
    if (this.#bodyOver) return 'a body ends twice';
    this.#bodyOver = true;
    this.#items?.end();
    this.#forget();
    return undefined;
  }

  /** Credit for the answer has arrived. Returns why it is malformed. */
  credit(credit: number, content: Bytes): string | undefined {
    const sender = this.#sender;
    if (!sender || sender.grant(credit)) return undefined;
    const why = 'credit exceeds the window';
    this.#failure = new MalformedError(why, content);
    sender.stop();
    return why;
  }

  /** The caller has given up, or the socket ends. */
  abort(reason: unknown): void {
    this.#aborted = true;
    this.#bodyOver = true;
    this.#items?.fail(reason, true);
    this.#sender?.stop();
    this.#forget();
  }

  /** The reply is sent, or no reply is. */
  replied(): void {
    this.#replied = true;
    this.#items?.fail(new K4netError('K4NET_STREAM', 'the callback of this body has ended'), true);
    // The peer ends a body that has begun, at the latest when it gets the reply.
    if (this.#items?.begun !== true) this.#bodyOver = true;
    this.#forget();
  }

  async #answer(items: Items<unknown>, name: string, codec: Payload | undefined): Promise<unknown> {
    const { encoder, rejectItems, write } = this.#events.tools;
    if ((this.#fields.flags & openFlag.items) === 0) throw rejectItems(items, name);
    this.#sender = new ItemSender(this.#outlet, this.#events.tools, {
      type: streamType.answerItem,
      id: this.id,
      window: this.#fields.window,
      encode: codec ? encoder(codec) : write,
      onSent: () => {
        this.#events.onItem(true);
      },
      onWait: () => undefined,
    });
    if (this.#aborted) this.#sender.stop();
    const result = await this.#sender.run(sourceOf(items));
    if (this.#failure) throw this.#failure;
    return result;
  }

  #stopBody(): void {
    if (this.#bodyOver || this.#stopSent || this.#items?.begun !== true) return;
    this.#stopSent = true;
    void this.#outlet.sendCopy(this.#events.tools.streamHead(streamType.bodyStop, this.id), noBytes);
  }

  #forget(): void {
    if (this.#bodyOver && this.#replied) this.#events.onOver(this);
  }
}
