import type { Input, Output } from '../codec/codec.js';
import type { Messages, PayloadType, RequestType } from '../codec/messages.js';
import type { RemoteError } from '../errors.js';
import type { WaitOptions } from '../util/wait.js';
import type { ContextOf } from './call-types.js';
import type { Items, ItemStreamLike } from './items.js';

/** The names of messages. */
export type MessageName<M extends Messages> = {
  [N in keyof M]: M[N] extends RequestType ? never : N;
}[keyof M] &
  string;

/** The names of requests that `call` sends. */
export type RequestName<M extends Messages> = {
  [N in keyof M]: M[N] extends RequestType ? (ItemOf<M[N]> extends PayloadType ? never : N) : never;
}[keyof M] &
  string;

/** The names of requests that `stream` sends. */
export type StreamName<M extends Messages> = {
  [N in keyof M]: M[N] extends RequestType ? (ItemOf<M[N]> extends PayloadType ? N : never) : never;
}[keyof M] &
  string;

type ArgumentOf<T> = T extends RequestType<infer A> ? A : T;
/** The answer of a request. */
export type AnswerOf<T> = T extends RequestType<PayloadType, infer R> ? R : never;
type BodyOf<T> = T extends { readonly body: infer B } ? B : undefined;
/** The items of the answer of a request; undefined if there are none. */
export type ItemOf<T> = T extends { readonly item: infer I } ? I : undefined;

type ErrorsOf<T> = T extends { readonly errors: infer E } ? E : undefined;

/** The codes of the errors that a request declares. */
export type ErrorCode<T> = keyof ErrorsOf<T> & string;

/** The names of requests that declare errors. */
export type ErrorName<M extends Messages> = {
  [N in keyof M]: [ErrorCode<M[N]>] extends [never] ? never : N;
}[keyof M] &
  string;

/** The error of a call whose callback has thrown a declared error. */
export type DeclaredError<T, Code extends ErrorCode<T> = ErrorCode<T>> = {
  [C in Code]: RemoteError & { readonly remoteCode: C; readonly data: Output<ErrorsOf<T>[C]> };
}[Code];

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

/** A type with read-only properties: TypeScript infers the exact result of a callback so. */
export type Frozen<T> = unknown extends T
  ? T
  : T extends Opaque
    ? T
    : T extends readonly [unknown, ...unknown[]]
      ? FrozenParts<T>
      : // A mapped type would resolve the elements at once, and JSON can contain arrays of itself.
        T extends readonly (infer E)[]
        ? readonly Frozen<E>[]
        : FrozenParts<T>;

type FrozenParts<T> = { readonly [K in keyof T]: Frozen<T[K]> };

type Awaitable<T> = T | PromiseLike<T>;

/** The items of the answer. Only a generator has a return value, which is the answer. */
type ItemsOf<Item, Answer> =
  | AsyncGenerator<Item, Answer, undefined>
  | Generator<Item, Answer, undefined>
  | (undefined extends Answer ? AsyncIterable<Item> | ItemStreamLike<Item> : never);

/**
 * The result of a callback: the answer to a request, the items of a stream, or a promise of either.
 * The result for a message is ignored.
 */
export type CallbackResult<T> = T extends RequestType
  ? ItemOf<T> extends PayloadType
    ? Awaitable<ItemsOf<Frozen<Input<ItemOf<T>>>, Frozen<Input<AnswerOf<T>>>>>
    : Awaitable<Frozen<Input<AnswerOf<T>>>>
  : unknown;

/** The context of a callback: that of the queue, with the items of the body as values. */
export type TypedContext<T, Context> =
  BodyOf<T> extends PayloadType
    ? Omit<Context, 'body'> & { readonly body: AsyncIterableIterator<Output<BodyOf<T>>, void> }
    : Context;

/** A callback that gets the value of each message or request of its name. */
export type TypedCallback<T, Context, Result = CallbackResult<T>> = (
  value: Output<ArgumentOf<T>>,
  context: TypedContext<T, Context>,
) => Result;

/** Callbacks by name, for some of the names of `M`. */
export type CallbacksOf<M extends Messages, Socket> = {
  readonly [N in keyof M & string]?: TypedCallback<M[N], ContextOf<Socket>> | undefined;
};

/** Options of `call` for requests of one type. */
export type TypedCallOptions<T> =
  BodyOf<T> extends PayloadType
    ? WaitOptions & {
        /** The items that follow the argument. */
        readonly body: Items<Input<BodyOf<T>>>;
      }
    : WaitOptions;

/** Options of `stream` for requests of one type. */
export type TypedStreamOptions<T> = TypedCallOptions<T> & {
  /** Milliseconds to wait for each further item. Default Infinity. */
  readonly idleTimeout?: number | undefined;
};

/**
 * The arguments `value` and `options`. A value that may be undefined is optional; options are
 * required if they contain a body.
 */
export type Arguments<T, Options> =
  undefined extends Input<ArgumentOf<T>>
    ? Options extends { readonly body: unknown }
      ? [value: Input<ArgumentOf<T>>, options: Options]
      : [value?: Input<ArgumentOf<T>>, options?: Options]
    : Options extends { readonly body: unknown }
      ? [value: Input<ArgumentOf<T>>, options: Options]
      : [value: Input<ArgumentOf<T>>, options?: Options];

/** The value of a message, for a call without options. */
export type MessageArguments<T> =
  undefined extends Input<ArgumentOf<T>> ? [value?: Input<ArgumentOf<T>>] : [value: Input<ArgumentOf<T>>];
