import type { Output } from '../codec/codec.js';
import type { CompiledMessages, Messages } from '../codec/messages.js';
import { encodeValue } from '../codec/payload.js';
import type { AnswerStream } from '../queue/call-types.js';
import { messageRoute, routeOf } from '../queue/typed-callbacks.js';
import { answerOf, callTyped, isErrorOf, streamTyped } from '../queue/typed-calls.js';
import type {
  AnswerOf,
  Arguments,
  DeclaredError,
  ErrorCode,
  ErrorName,
  ItemOf,
  MessageName,
  RequestName,
  StreamName,
  TypedCallOptions,
  TypedStreamOptions,
} from '../queue/typed-types.js';
import type { WaitOptions } from '../util/wait.js';
import type { ServiceCore } from './service-core.js';
import type { InstanceAnswer, InstanceSent, ServiceCallOptions } from './service-options.js';

/**
 * A view of a `NatsService` whose messages and requests have types, from one object that maps names
 * to codecs.
 */
export class TypedNatsService<M extends Messages> {
  readonly #core: ServiceCore;
  readonly #routes: CompiledMessages;

  /** @internal Use `typed` of the service. */
  constructor(core: ServiceCore, routes: CompiledMessages) {
    this.#core = core;
    this.#routes = routes;
  }

  /**
   * Sends a request to one instance, like `call` of the service. Rejects with a TypeError or a
   * RangeError for a wrong argument, and then sends nothing; with a `DecodeError` for an answer
   * that does not decode.
   */
  call<N extends RequestName<M>>(
    name: N,
    ...rest: Arguments<M[N], TypedCallOptions<M[N]> & Pick<ServiceCallOptions, 'repeatable'>>
  ): Promise<Output<AnswerOf<M[N]>>>;
  call(name: string, value?: unknown, options?: WaitOptions): Promise<unknown> {
    return callTyped(this.#core.calls, this.#routes, name, value, options);
  }

  /** Sends a request to one instance, and returns the items of its answer. */
  stream<N extends StreamName<M>>(
    name: N,
    ...rest: Arguments<M[N], TypedStreamOptions<M[N]>>
  ): AnswerStream<Output<ItemOf<M[N]>>, Output<AnswerOf<M[N]>>>;
  stream(name: string, value?: unknown, options?: WaitOptions): AnswerStream<unknown, unknown> {
    return streamTyped(this.#core.calls, this.#routes, name, value, options);
  }

  /**
   * Sends a request to every instance, like `callAll` of the service. An answer that does not
   * decode is the `DecodeError` of its instance. Throws a TypeError for a request with a body.
   */
  callAll<N extends RequestName<M>>(
    name: N,
    ...rest: Arguments<M[N], WaitOptions>
  ): AsyncIterableIterator<InstanceAnswer<Output<AnswerOf<M[N]>>>, void>;
  callAll(
    name: string,
    value?: unknown,
    options?: WaitOptions,
  ): AsyncIterableIterator<InstanceAnswer<unknown>, void> {
    const route = routeOf(this.#routes, name);
    const answer = answerOf(name, route);
    if (route.body) throw new TypeError(`'${name}' has a body, which only call can send`);
    return this.#core.broadcasts.call(name, encodeValue(route.argument, value), options, answer);
  }

  /** Sends a message to every instance, like `sendAll` of the service. */
  sendAll<N extends MessageName<M>>(name: N, ...rest: Arguments<M[N], WaitOptions>): Promise<InstanceSent[]>;
  sendAll(name: string, value?: unknown, options?: WaitOptions): Promise<InstanceSent[]> {
    const encode = (): Uint8Array => encodeValue(messageRoute(this.#routes, name).argument, value);
    return this.#core.sendAll(name, encode, options);
  }

  /** Whether a value is an error that a request declares: see `isError` of a typed queue. */
  isError<N extends ErrorName<M>, C extends ErrorCode<M[N]> = ErrorCode<M[N]>>(
    error: unknown,
    name: N,
    code?: C,
  ): error is DeclaredError<M[N], C>;
  isError(error: unknown, name: string, code?: string): boolean {
    return isErrorOf(this.#routes, error, name, code);
  }
}
