import type { BinaryReader } from '../binary/reader.js';
import type { K4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import type { Fifo } from '../util/fifo.js';
import { markHandled } from '../util/wait.js';
import type { Timed } from './call-deadlines.js';
import type { FlowWindow } from './flow-window.js';

/** The calls of one name: its flow window, and the calls that wait for room in it. */
export interface NamedCalls {
  readonly name: string;
  readonly window: FlowWindow;
  readonly waiting: Fifo<Call>;
}

/** Makes the value of a call from its answer. */
export type AnswerDecoder = (reader: BinaryReader) => unknown;

type Resolve = (value: never) => void;
type Reject = (reason: unknown) => void;

// One executor for all calls instead of a closure for each. It runs before `new Promise` returns.
let resolveLast: Resolve;
let rejectLast: Reject;
function executor(resolve: Resolve, reject: Reject): void {
  resolveLast = resolve;
  rejectLast = reject;
}

function makePromise(): Promise<unknown> {
  return new Promise<unknown>(executor);
}

/** A call in flight, or one that waits to be sent. */
export class Call implements Timed {
  readonly promise: Promise<unknown> = makePromise();
  readonly resolve: (value: unknown) => void = resolveLast as (value: unknown) => void;
  readonly reject: Reject = rejectLast;
  readonly id: number;
  readonly calls: NamedCalls;
  /** Bytes that the call counts in the flow window. */
  readonly size: number;
  readonly timeout: number;
  readonly decode: AnswerDecoder | undefined;
  deadline: number;
  place: number = -1;
  previous: this | undefined;
  next: this | undefined;
  /** The time of its request on the clock of `performance.now()`. */
  sentAt: number = 0;
  /** The payload, until it is sent. */
  payload: Bytes | undefined;
  /** Whether the call was cancelled. It keeps its id and its room until the peer has replied. */
  abandoned: boolean = false;
  unwatch: (() => void) | undefined;

  constructor(
    id: number,
    calls: NamedCalls,
    size: number,
    timeout: number,
    deadline: number,
    decode: AnswerDecoder | undefined,
  ) {
    this.id = id;
    this.calls = calls;
    this.size = size;
    this.timeout = timeout;
    this.deadline = deadline;
    this.decode = decode;
  }
}

/**
 * Marks the promise as handled here and not in `call`: an asynchronous stack ends at a promise with
 * two reactions.
 */
export function rejectCall(call: Call, reason: unknown): void {
  void markHandled(call.promise);
  call.reject(reason);
}

/**
 * Makes the error in a microtask on which the promise of the call depends. So the stack of the
 * error continues, where the engine has asynchronous stacks, with the line that awaits the call. A
 * stack captured at every call would cost far more.
 */
export function rejectCallLater(call: Call, error: () => K4netError): void {
  const failed = Promise.resolve()
    .then(() => undefined)
    .then((): never => {
      const reason = error();
      void markHandled(call.promise);
      throw reason;
    });
  call.resolve(failed);
}
