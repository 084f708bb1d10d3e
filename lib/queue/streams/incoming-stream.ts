import { K4netError, MalformedError } from '../../errors.js';
import { noHead } from '../../transport/framing/encoder.js';
import type { Bytes } from '../../util/bytes.js';
import { iterate } from '../../util/iterate.js';
import type { BinaryReader } from '../../binary/reader.js';
import { payloadBytes } from '../envelope.js';
import type { Payload } from '../call-types.js';
import type { Callback, CallbackAnswer } from '../types.js';
import { ItemReceiver } from './item-receiver.js';
import { ItemSender, type StreamOutlet } from './item-sender.js';
import { discardSource, isItems, sourceOf, type Items } from './item-source.js';
import { encodeSignal, openFlag, streamType, type OpenFields } from './messages.js';

/** What a streaming call of the peer does outside of its streams. */
export interface IncomingEvents {
  onItem(sent: boolean): void;
  /** Nothing more can arrive for this stream. */
  onOver(stream: IncomingStream): void;
}

/** The body of a call that has none. */
export const noBody: AsyncIterableIterator<BinaryReader, void> = /* @__PURE__ */ iterate<BinaryReader>(() =>
  Promise.resolve({ done: true, value: undefined }),
);

/** A streaming call of the peer: the items of its body, and those of its answer. */
export class IncomingStream {
  readonly id: number;
  /** False if this side has too many streams: the call fails with `K4NET_BUSY`. */
  readonly accepted: boolean;
  /** The body, for the callback. */
  readonly body: AsyncIterableIterator<BinaryReader, void> = noBody;
  readonly #fields: OpenFields;
  readonly #outlet: StreamOutlet;
  readonly #events: IncomingEvents;
  readonly #items: ItemReceiver | undefined;
  #sender: ItemSender | undefined;
  /** Whether the peer has ended the body. */
  #bodyOver: boolean;
  #stopSent = false;
  #aborted = false;
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
    this.#items = new ItemReceiver(outlet, {
      creditType: streamType.bodyCredit,
      id: () => id,
      window: streamWindow,
      granted: false,
      decoder: undefined,
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
    return async (reader, context) => {
      const result: unknown = await callback(reader, context);
      return (isItems(result) ? await this.#answer(result, context.name) : result) as CallbackAnswer;
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

  #failure: MalformedError | undefined;

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
    this.#items?.stop();
    // The peer ends a body that has begun, at the latest when it gets the reply.
    if (this.#items?.begun !== true) this.#bodyOver = true;
    this.#forget();
  }

  async #answer(items: Items<unknown>, name: string): Promise<unknown> {
    const source = sourceOf(items);
    if ((this.#fields.flags & openFlag.items) === 0) {
      discardSource(source);
      throw itemsError(name);
    }
    this.#sender = new ItemSender(this.#outlet, {
      type: streamType.answerItem,
      id: this.id,
      window: this.#fields.window,
      encode: (item) => payloadBytes(item as Payload),
      onSent: () => {
        this.#events.onItem(true);
      },
      onWait: () => undefined,
    });
    if (this.#aborted) this.#sender.stop();
    const result = await this.#sender.run(source);
    if (this.#failure) throw this.#failure;
    return result;
  }

  #stopBody(): void {
    if (this.#bodyOver || this.#stopSent || this.#items?.begun !== true) return;
    this.#stopSent = true;
    void this.#outlet.sendCopy(noHead, encodeSignal(streamType.bodyStop, this.id));
  }

  #forget(): void {
    if (this.#bodyOver && this.#replied) this.#events.onOver(this);
  }
}

/** The error of items that answer a plain call or a message. */
export function itemsError(name: string): K4netError {
  return new K4netError('K4NET_STREAM', `the callback of '${name}' gives items, which only stream can take`);
}
