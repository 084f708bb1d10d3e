import { K4netError, MalformedError, TimeoutError } from '../../errors.js';
import type { MessageHead } from '../../transport/framing/encoder.js';
import { noBytes, type Bytes } from '../../util/bytes.js';
import type { Opening } from '../call.js';
import type { Timed } from '../call-deadlines.js';
import { ItemReceiver } from './item-receiver.js';
import { ItemSender } from './item-sender.js';
import { discardSource, sourceOf, type Source } from './item-source.js';
import { openFlag, streamType } from './messages.js';
import type { StreamOutlet, StreamRequest } from '../stream-host.js';
import type { StreamTools } from '../stream-tools.js';

/** The events of a streaming call of this side. */
export interface OutgoingEvents {
  readonly tools: StreamTools;
  /** Gives the call up. Calls `cancelled` before it returns, unless the call has ended. */
  cancel(stream: OutgoingStream, reason: unknown): void;
  /** Starts and stops a deadline. */
  arm(stream: OutgoingStream): void;
  disarm(stream: OutgoingStream): void;
  onItem(sent: boolean): void;
  /** The peer has replied, so it has finished the call. */
  onReply(stream: OutgoingStream): void;
}

/** A streaming call of this side: the items of its answer, and those of its body. */
export class OutgoingStream implements Opening, Timed {
  /** Set when the call gets its number. */
  id = 0;
  readonly window: number;
  readonly flags: number;
  deadline = 0;
  timeout = 0;
  place = -1;
  previous: this | undefined = undefined;
  next: this | undefined = undefined;
  readonly #request: StreamRequest;
  readonly #outlet: StreamOutlet;
  readonly #events: OutgoingEvents;
  readonly #items: ItemReceiver | undefined;
  /** The items of the body. */
  readonly #source: Source | undefined;
  #body: ItemSender | undefined;
  /** Whether the end of the body was sent, or a cancel. */
  #bodyOver = false;
  #cancelled = false;
  #over = false;
  #heard = false;

  constructor(request: StreamRequest, window: number, outlet: StreamOutlet, events: OutgoingEvents) {
    this.#request = request;
    this.#outlet = outlet;
    this.#events = events;
    this.window = window;
    this.#source = request.body === undefined ? undefined : sourceOf(request.body);
    this.flags = (this.#source ? openFlag.body : 0) | (request.items ? openFlag.items : 0);
    if (!request.items) return;
    const { item } = request.codecs;
    this.#items = new ItemReceiver(outlet, events.tools, {
      creditType: streamType.answerCredit,
      id: () => this.id,
      window,
      granted: true,
      read: item ? (bytes) => item.read(events.tools.read(bytes)) : events.tools.read,
      onUndecodable: (error) => {
        this.cancel(error);
      },
      onStop: () => {
        this.cancel(new K4netError('K4NET_STREAM', `this side has stopped the stream of '${request.name}'`));
      },
      onWait: (waits) => {
        if (!this.#heard) return;
        if (waits) this.#arm(request.idleTimeout);
        else this.#disarm();
      },
    });
  }

  get name(): string {
    return this.#request.name;
  }

  /** The head of the open. Valid until the next head is made. */
  head(): MessageHead {
    return this.#events.tools.openingHead(this.id, this.name, this);
  }

  /** The error of a deadline that has passed. */
  get late(): TimeoutError {
    const what = this.#items ? 'sent no item' : 'was not answered';
    const option = this.#heard ? 'idleTimeout' : undefined;
    return new TimeoutError(`'${this.name}' ${what}`, this.timeout, undefined, option);
  }

  /** The call was made: it settles with this promise. */
  start(answer: Promise<unknown>): void {
    this.#arm(this.#request.timeout);
    answer.then(
      () => {
        this.finish();
        this.#items?.end();
      },
      (error: unknown) => {
        this.finish();
        this.#items?.fail(error, false);
      },
    );
  }

  /** The items of the answer. */
  iterator(): AsyncIterableIterator<unknown, void> | undefined {
    return this.#items?.iterator();
  }

  /** Gives the call up, unless it has ended. */
  cancel(reason: unknown): void {
    if (!this.#over) this.#events.cancel(this, reason);
  }

  /** The call was given up: no item is sent or delivered any more. */
  cancelled(reason: unknown): void {
    this.#cancelled = true;
    this.#bodyOver = true;
    this.finish();
    this.#items?.fail(reason, true);
  }

  /** The peer has replied, so it reads no more of the body and has sent all items. */
  replied(): void {
    this.#endBody();
    this.finish();
    this.#events.onReply(this);
  }

  /** An item has arrived. Returns why it is malformed. */
  item(bytes: Bytes): string | undefined {
    if (this.#cancelled) return undefined;
    if (!this.#items) return this.#fail('an item answers a call that takes no items', bytes);
    this.#hear();
    this.#events.onItem(false);
    if (this.#items.receive(bytes)) return undefined;
    return this.#fail('an item has no credit', bytes);
  }

  /** Credit for the body has arrived. Returns why it is malformed. */
  credit(credit: number, content: Bytes): string | undefined {
    if (this.#bodyOver) return undefined;
    const source = this.#source;
    if (!source) return this.#fail('credit for a call without a body', content);
    if (!this.#items) this.#disarm();
    const first = this.#body === undefined;
    this.#body ??= this.#newSender();
    if (!this.#body.grant(credit)) return this.#fail('credit exceeds the window', content);
    if (first) this.#send(this.#body, source);
    return undefined;
  }

  /** The peer reads no more of the body. */
  stopBody(): void {
    this.#endBody();
  }

  #newSender(): ItemSender {
    const { body } = this.#request.codecs;
    const { encoder, write } = this.#events.tools;
    return new ItemSender(this.#outlet, this.#events.tools, {
      type: streamType.bodyItem,
      id: this.id,
      window: 0,
      encode: body ? encoder(body) : write,
      onSent: () => {
        this.#events.onItem(true);
      },
      onWait: () => {
        if (!this.#items) this.#arm(this.#request.timeout);
      },
    });
  }

  #send(sender: ItemSender, body: Source): void {
    sender.run(body).then(
      () => {
        this.#endBody();
      },
      (error: unknown) => {
        this.cancel(error);
      },
    );
  }

  #endBody(): void {
    if (this.#bodyOver) return;
    this.#bodyOver = true;
    if (this.#body?.begun === true)
      void this.#outlet.sendCopy(this.#events.tools.streamHead(streamType.bodyEnd, this.id), noBytes);
    this.#stopSource();
    if (!this.#items && !this.#over) this.#arm(this.#request.timeout);
  }

  #stopSource(): void {
    if (this.#body) this.#body.stop();
    else if (this.#source) discardSource(this.#source);
  }

  /** Releases everything: nothing more is sent. */
  finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#bodyOver = true;
    this.#stopSource();
    this.#disarm();
  }

  #fail(why: string, bytes: Bytes): string {
    this.cancel(new MalformedError(why, bytes));
    return why;
  }

  #hear(): void {
    if (this.#heard) return;
    this.#heard = true;
    if (this.#items) this.#disarm();
  }

  #arm(timeout: number): void {
    this.#disarm();
    if (timeout === Infinity || this.#over) return;
    this.timeout = timeout;
    this.deadline = performance.now() + timeout;
    this.#events.arm(this);
  }

  #disarm(): void {
    if (this.place !== -1) this.#events.disarm(this);
  }
}
