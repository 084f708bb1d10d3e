import type { BinaryReader } from '../binary/reader.js';
import { BinaryWriter } from '../binary/writer.js';
import { kindOf } from '../util/bytes.js';
import { markHandledByClass, isPromiseLike, rejected, type WaitOptions } from '../util/wait.js';
import { compile, type Messages, type PayloadType, type RequestType, type Route } from '../codec/messages.js';
import type { Payload } from '../codec/payload.js';
import type { Input, Output } from '../codec/codec.js';

/** What a typed view needs of the queue that it is a view of. */
export interface UntypedQueue<Context, CallbackOptions> {
  registerCallback(
    name: string,
    callback: (reader: BinaryReader, context: Context) => unknown,
    options?: CallbackOptions,
  ): void;
  removeCallback(name: string): void;
  registerTask(name: string, constructor: (writer: BinaryWriter) => void): void;
  removeTask(name: string): void;
  sendRegistered(
    name: string,
    payload: (writer: BinaryWriter) => void,
    options?: Pick<WaitOptions, 'signal'>,
  ): Promise<void>;
  call(name: string, payload: (writer: BinaryWriter) => void, options?: WaitOptions): Promise<BinaryReader>;
}

/** The names of messages. */
export type MessageName<M extends Messages> = {
  [N in keyof M]: M[N] extends RequestType ? never : N;
}[keyof M] &
  string;

/** The names of requests. */
export type RequestName<M extends Messages> = {
  [N in keyof M]: M[N] extends RequestType ? N : never;
}[keyof M] &
  string;

type ArgumentOf<T> = T extends RequestType<infer A> ? A : T;
type AnswerOf<T> = T extends RequestType<PayloadType, infer R> ? R : never;

type Opaque =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Uint8Array
  | Date
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ((...nothing: never[]) => unknown);

/** The same to look at: what a callback returns is inferred to the letter, and the compiler takes that for read-only. */
export type Frozen<T> = unknown extends T
  ? T
  : T extends Opaque
    ? T
    : { readonly [K in keyof T]: Frozen<T[K]> };

/** What the callback of a name returns: the answer of a request or a promise of it; for a message, nothing that matters. */
export type CallbackResult<T> = T extends RequestType
  ? Frozen<Input<AnswerOf<T>>> | PromiseLike<Frozen<Input<AnswerOf<T>>>>
  : unknown;

/** What is called with the value of each message or request of a name. */
export type TypedCallback<T, Context, Result = CallbackResult<T>> = (
  value: Output<ArgumentOf<T>>,
  context: Context,
) => Result;

/** A value and options; a value that may be undefined may be left out. */
export type Arguments<T, Options> =
  undefined extends Input<ArgumentOf<T>>
    ? [value?: Input<ArgumentOf<T>>, options?: Options]
    : [value: Input<ArgumentOf<T>>, options?: Options];

/**
 * A queue socket whose messages and requests have types, taken from one object that maps their names to codecs. What
 * comes in is checked before a callback sees it: what does not decode is a `DecodeError` on `onError`, and for a request
 * a failure that its caller gets as well.
 */
export class TypedQueue<M extends Messages, Context, CallbackOptions> {
  readonly #queue: UntypedQueue<Context, CallbackOptions>;
  readonly #routes: ReadonlyMap<string, Route>;

  /** Throws a TypeError for a name whose value is neither a codec, nor a schema, nor a request. */
  constructor(queue: UntypedQueue<Context, CallbackOptions>, messages: M) {
    this.#queue = queue;
    this.#routes = compile(messages);
  }

  /**
   * Calls `callback` with the value of each message of this name. Of a request, its return value or the value of its
   * promise is the answer; one of a wrong type is a failure of the request, and an error on `onError`.
   *
   * @typeParam R - what the callback returns, to the letter: without it, the tags of unions would be any strings.
   */
  registerCallback<N extends keyof M & string, const R extends CallbackResult<M[N]>>(
    name: N,
    callback: TypedCallback<M[N], Context, R>,
    options?: CallbackOptions,
  ): void {
    const given: unknown = callback;
    if (typeof given !== 'function') throw new TypeError(`a callback is a function, not ${kindOf(given)}`);
    const { argument, answer } = this.#route(name);
    const run = callback as (value: unknown, context: Context) => unknown;
    const use = answer === undefined ? unanswered(run) : answered(run, answer);
    this.#queue.registerCallback(name, (reader, context) => argument.read(reader, use, context), options);
  }

  /** Takes a callback back. */
  removeCallback(name: keyof M & string): void {
    this.#route(name);
    this.#queue.removeCallback(name);
  }

  /** Sends, each time the tasks are performed, the value that `make` returns then. */
  registerTask<N extends MessageName<M>>(name: N, make: () => Input<M[N]>): void {
    const given: unknown = make;
    if (typeof given !== 'function') throw new TypeError(`a task is a function, not ${kindOf(given)}`);
    const { argument } = this.#messageRoute(name);
    this.#queue.registerTask(name, (writer) => {
      argument.write(writer, make());
    });
  }

  /** Takes a task back. */
  removeTask(name: MessageName<M>): void {
    this.#messageRoute(name);
    this.#queue.removeTask(name);
  }

  /** Sends a message. Rejects with a TypeError or a RangeError for a wrong value: nothing of it is sent then. */
  sendRegistered<N extends MessageName<M>>(
    name: N,
    ...rest: Arguments<M[N], Pick<WaitOptions, 'signal'>>
  ): Promise<void> {
    try {
      const { argument } = this.#messageRoute(name);
      const [value, options] = rest;
      return this.#queue.sendRegistered(name, writes(argument, value), options);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Sends a request and resolves with its answer.
   *
   * Rejects with a TypeError or a RangeError for a wrong argument, of which nothing is sent then; with a `DecodeError` for
   * an answer that does not decode; and else as `call` of the untyped queue does.
   */
  call<N extends RequestName<M>>(
    name: N,
    ...rest: Arguments<M[N], WaitOptions>
  ): Promise<Output<AnswerOf<M[N]>>> {
    try {
      const { argument, answer } = this.#requestRoute(name);
      const [value, options] = rest;
      const read = (reader: BinaryReader): Output<AnswerOf<M[N]>> =>
        answer.read(reader, itself, undefined) as Output<AnswerOf<M[N]>>;
      const encoding = { failed: false };
      const write = (writer: BinaryWriter): void => {
        encoding.failed = true;
        argument.write(writer, value);
        encoding.failed = false;
      };
      const answered = this.#queue.call(name, write, options).then(read);
      // A codec of the program can throw an error of any class.
      return encoding.failed ? answered : markHandledByClass(answered, options?.signal);
    } catch (error) {
      return rejected(error);
    }
  }

  #route(name: string): Route {
    const route = this.#routes.get(name);
    if (route !== undefined) return route;
    throw new TypeError(`there is no message '${name}' among the typed ones`);
  }

  #messageRoute(name: string): Route {
    const route = this.#route(name);
    if (route.answer === undefined) return route;
    throw new TypeError(`'${name}' is a request, which only call can send`);
  }

  #requestRoute(name: string): Route & { readonly answer: Payload } {
    const { argument, answer } = this.#route(name);
    if (answer !== undefined) return { argument, answer };
    throw new TypeError(`'${name}' is a message, which has no answer`);
  }
}

type Use<Context> = (value: unknown, context: Context) => unknown;

function writes(payload: Payload, value: unknown): (writer: BinaryWriter) => void {
  return (writer) => {
    payload.write(writer, value);
  };
}

function itself(value: unknown): unknown {
  return value;
}

function silence(): undefined {
  return undefined;
}

/** A callback whose result stays here: a peer can send a request to any name, and is not owed what happens to come back. */
function unanswered<Context>(callback: Use<Context>): Use<Context> {
  return (value, context) => {
    const result = callback(value, context);
    return isPromiseLike(result) ? result.then(silence) : undefined;
  };
}

/** A callback whose result is encoded where its errors are those of the callback. */
function answered<Context>(callback: Use<Context>, answer: Payload): Use<Context> {
  const encode = (result: unknown): Uint8Array => {
    const writer = new BinaryWriter();
    answer.write(writer, result);
    return writer.data;
  };
  return (value, context) => {
    const result = callback(value, context);
    return isPromiseLike(result) ? result.then(encode) : encode(result);
  };
}
