import { K4netError } from '../../errors.js';
import type { Bytes } from '../../util/bytes.js';
import type { CallDeadlines } from '../call-deadlines.js';
import type { Calls } from '../calls.js';
import type { OpenFields } from '../stream-open.js';
import type { CreateStreams, StreamHost, StreamLimits, StreamRequest, StreamOutlet } from '../stream-host.js';
import type { StreamTools } from '../stream-tools.js';
import { IncomingStream, type IncomingEvents } from './incoming-stream.js';
import { readCredit, streamType } from './messages.js';
import { OutgoingStream, type OutgoingEvents } from './outgoing-stream.js';
import type { AnswerStream } from '../call-types.js';

/** The streaming calls of one socket, in both directions. */
export class Streams implements StreamHost, IncomingEvents, OutgoingEvents {
  /** Their code is loaded. */
  readonly full: boolean = false;
  readonly #outlet: StreamOutlet;
  readonly #limits: StreamLimits;
  readonly #outgoing = new Map<number, OutgoingStream>();
  readonly #incoming = new Map<number, IncomingStream>();
  readonly #deadlines: CallDeadlines<OutgoingStream>;
  readonly #calls: () => Calls;
  readonly tools: StreamTools;
  #ended = false;
  itemsSent = 0;
  itemsReceived = 0;

  constructor(outlet: StreamOutlet, limits: StreamLimits, calls: () => Calls, tools: StreamTools) {
    this.tools = tools;
    this.#outlet = outlet;
    this.#limits = limits;
    this.#calls = calls;
    this.#deadlines = tools.deadlines((stream) => {
      stream.cancel(stream.late);
    });
  }

  /** Streaming calls that have not ended, of both sides. */
  get open(): number {
    return this.#outgoing.size + this.#incoming.size;
  }

  /** Makes a streaming call. */
  call(request: StreamRequest, payload: Bytes): AnswerStream<unknown, unknown> {
    const { name, signal, codecs } = request;
    const { maxStreams, streamWindow } = this.#limits;
    const stream = new OutgoingStream(request, streamWindow, this.#outlet, this);
    const full = this.#outgoing.size >= maxStreams;
    const answer = full
      ? Promise.reject(busyError(maxStreams))
      : this.#calls().call(name, payload, Infinity, signal, codecs.answer, stream);
    if (stream.id > 0) this.#outgoing.set(stream.id, stream);
    stream.start(answer);
    return answerStream(stream.iterator(), answer);
  }

  load(): void {
    // Nothing to load.
  }

  /** Whether a streaming call of the peer has this id. */
  has(id: number): boolean {
    return this.#incoming.has(id);
  }

  /** Takes a streaming call of the peer. It is not `accepted` if there are too many. */
  accept(id: number, fields: OpenFields): IncomingStream {
    const { maxStreams, streamWindow } = this.#limits;
    const accepted = this.#incoming.size < maxStreams;
    const stream = new IncomingStream(id, accepted, fields, streamWindow, this.#outlet, this);
    if (accepted) this.#incoming.set(id, stream);
    return stream;
  }

  /** Takes a message of a stream that is not an open. Returns why it is malformed. */
  receive(type: number, id: number, content: Bytes): string | undefined {
    if (this.#ended) return undefined;
    switch (type) {
      case streamType.answerItem: {
        const stream = this.#outgoing.get(id);
        return stream ? stream.item(content) : 'an item of an unknown stream';
      }
      case streamType.bodyItem: {
        const stream = this.#incoming.get(id);
        return stream ? stream.item(content) : 'an item of an unknown body';
      }
      case streamType.bodyEnd: {
        if (content.length > 0) return 'the end of a body must have no content';
        const stream = this.#incoming.get(id);
        return stream ? stream.endBody() : 'the end of an unknown body';
      }
      case streamType.bodyStop:
        if (content.length > 0) return 'the stop of a body must have no content';
        this.#outgoing.get(id)?.stopBody();
        return undefined;
      default:
        return this.#credit(type, id, content);
    }
  }

  cancelled(id: number): void {
    this.#incoming.get(id)?.abort(undefined);
  }

  /** No further message can be sent or received. The calls of this side have ended. */
  end(): void {
    this.#ended = true;
    for (const stream of this.#outgoing.values()) stream.finish();
    this.#outgoing.clear();
    this.#incoming.clear();
    this.#deadlines.stop();
  }

  onItem(sent: boolean): void {
    if (sent) this.itemsSent += 1;
    else this.itemsReceived += 1;
  }

  onOver(stream: IncomingStream): void {
    if (this.#incoming.get(stream.id) === stream) this.#incoming.delete(stream.id);
  }

  onReply(stream: OutgoingStream): void {
    this.#outgoing.delete(stream.id);
  }

  cancel(stream: OutgoingStream, reason: unknown): void {
    this.#calls().cancel(stream.id, reason);
  }

  arm(stream: OutgoingStream): void {
    this.#deadlines.add(stream);
  }

  disarm(stream: OutgoingStream): void {
    this.#deadlines.remove(stream);
  }

  #credit(type: number, id: number, content: Bytes): string | undefined {
    const credit = readCredit(content);
    if (credit === undefined) return 'a credit must have 4 bytes';
    // The stream may have ended while its credit was under way.
    const streams = type === streamType.bodyCredit ? this.#outgoing : this.#incoming;
    return streams.get(id)?.credit(credit, content);
  }
}

/** The form of `#streams` for Node: the code is there from the start. */
export const createStreams: CreateStreams = (outlet, limits, calls, tools) =>
  new Streams(outlet, limits, calls, tools);

function answerStream(
  items: AsyncIterableIterator<unknown, void> | undefined,
  answer: Promise<unknown>,
): AnswerStream<unknown, unknown> {
  const end = (): Promise<IteratorResult<unknown, void>> =>
    items?.return?.() ?? Promise.resolve({ done: true, value: undefined });
  return {
    answer,
    next: () => items?.next() ?? end(),
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: async () => {
      await end();
    },
  };
}

function busyError(maxStreams: number): K4netError {
  return new K4netError('K4NET_BUSY', `${maxStreams} streaming calls are open (maxStreams)`);
}
