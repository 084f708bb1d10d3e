import type { Payload } from '../codec/payload.js';
import type { K4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import type { Fifo } from '../util/fifo.js';
import { markHandled } from '../util/wait.js';
import type { Timed } from './call-deadlines.js';
import type { FlowWindow } from './flow-window.js';
import type { MessageHead } from '../transport/framing/encoder.js';

/** The calls of one name: its flow window, and the calls that wait for room in it. */
export interface NamedCalls {
  readonly name: string;
  readonly window: FlowWindow;
  readonly waiting: Fifo<Call>;
}

/** Decodes the value of a call from its answer, and the data of its errors. */
export type AnswerDecoder = Pick<Payload, 'read' | 'errors'>;

/** The codecs of the streams of a call. Default: payloads, and readers over them. */
export interface StreamCodecs {
  /** The items of the body. */
  readonly body?: Payload | undefined;
  /** The items of the answer. */
  readonly item?: Payload | undefined;
  /** The answer. */
  readonly answer?: AnswerDecoder | undefined;
}

/** The codecs of the streams and the errors of a callback: a property of the callback. */
export const typedCodecs: unique symbol = Symbol('typedCodecs');

/** A callback, which has the property if it is one of a typed queue. */
export interface AnyCallback {
  readonly [typedCodecs]?: {
    readonly body: Payload | undefined;
    readonly item: Payload | undefined;
    /** Undefined for a message. */
    readonly answer: Payload | undefined;
  };
}

/** The part of a streaming call that sends and receives items. */
export interface Opening {
  /** The id of the call. */
  id: number;
  /** The head of its first message. Valid until the next head is made. */
  head(): MessageHead;
  /** This side has cancelled the call. */
  cancelled(reason: unknown): void;
  /** The peer has replied, or the call was cancelled before it was sent. */
  replied(): void;
}

type Resolve = (value: never) => void;
type Reject = (reason: unknown) => void;

// One executor for all calls, instead of a closure for each: it runs before `new Promise` returns.
let resolveLast: Resolve;
let rejectLast: Reject;
function executor(resolve: Resolve, reject: Reject): void {
  resolveLast = resolve;
  rejectLast = reject;
}

/** A call in flight, or one that waits to be sent. */
export class Call implements Timed {
  // Declared only, because class fields cost one more call for each instance.
  declare readonly promise: Promise<unknown>;
  declare readonly resolve: (value: unknown) => void;
  declare readonly reject: Reject;
  declare readonly id: number;
  declare readonly calls: NamedCalls;
  /** Bytes that the call counts in the flow window. */
  declare readonly size: number;
  declare readonly timeout: number;
  declare readonly decoder: AnswerDecoder | undefined;
  declare deadline: number;
  declare place: number;
  declare previous: this | undefined;
  declare next: this | undefined;
  /** The time of its request on the clock of `performance.now()`. */
  declare sentAt: number;
  /** The payload, until it is sent. */
  declare payload: Bytes | undefined;
  /** Whether the call was cancelled. It keeps its id and its window until the peer has replied. */
  declare abandoned: boolean;
  declare unwatch: (() => void) | undefined;
  /** The streams of a streaming call. */
  declare readonly opening: Opening | undefined;

  constructor(
    id: number,
    calls: NamedCalls,
    size: number,
    timeout: number,
    now: number,
    decoder: AnswerDecoder | undefined,
    opening: Opening | undefined,
  ) {
    this.promise = new Promise<unknown>(executor);
    this.resolve = resolveLast as (value: unknown) => void;
    this.reject = rejectLast;
    this.id = id;
    this.calls = calls;
    this.size = size;
    this.timeout = timeout;
    this.decoder = decoder;
    this.deadline = now + timeout;
    this.place = -1;
    this.previous = undefined;
    this.next = undefined;
    this.sentAt = now;
    this.payload = undefined;
    this.abandoned = false;
    this.unwatch = undefined;
    this.opening = opening;
  }
}

/**
 * Rejects a call. Marks its promise as handled only now: an asynchronous stack trace ends at a
 * promise with two reactions.
 */
export function rejectCall(call: Call, reason: unknown): void {
  void markHandled(call.promise);
  call.reject(reason);
}

/**
 * Creates the error in a microtask on which the promise of the call depends. If the engine has
 * asynchronous stack traces, the stack of the error then continues with the line that awaits the
 * call. To capture a stack at every call would cost far more.
 */
export function rejectCallLater(call: Call, error: () => K4netError | Promise<K4netError>): void {
  const failed = Promise.resolve()
    .then(() => undefined)
    .then(error)
    .then((reason): never => {
      void markHandled(call.promise);
      throw reason;
    });
  call.resolve(failed);
}
