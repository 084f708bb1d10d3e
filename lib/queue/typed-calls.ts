import type { CompiledMessages, Route } from '../codec/messages.js';
import { encodeValue, PayloadWriter } from '../codec/payload.js';
import { rejectUnhandled, type WaitOptions } from '../util/wait.js';
import { isDecodedError } from './call-failures.js';
import type { AnswerStream } from './call-types.js';
import { callEncoded, openStream, type EncodedCalls } from './encoded-queue.js';
import { routeOf } from './typed-callbacks.js';

// The calls of typed views: of a queue, and of a service with many instances.

/** Sends a request with values. */
export function callTyped(
  calls: EncodedCalls,
  routes: CompiledMessages,
  name: string,
  value: unknown,
  options: WaitOptions | undefined,
): Promise<unknown> {
  try {
    const route = routeOf(routes, name);
    const answer = answerOf(name, route);
    const writer = PayloadWriter.take();
    route.argument.write(writer, value);
    const called = calls[callEncoded](name, writer.data, options, answer, route.body);
    PayloadWriter.give(writer);
    return called;
  } catch (error) {
    return rejectUnhandled(error);
  }
}

/** The codec of the answer of a name that `call` sends. @throws TypeError for any other name. */
export function answerOf(name: string, { answer, item }: Route): NonNullable<Route['answer']> {
  if (item) throw new TypeError(`'${name}' gives items, which only stream can take`);
  if (answer === undefined) throw new TypeError(`'${name}' is a message, which has no answer`);
  return answer;
}

/** Sends a request with values, and returns the items of its answer. */
export function streamTyped(
  calls: EncodedCalls,
  routes: CompiledMessages,
  name: string,
  value: unknown,
  options: WaitOptions | undefined,
): AnswerStream<unknown, unknown> {
  const route = routeOf(routes, name);
  if (!route.item) throw new TypeError(`'${name}' gives no items: describe it with codec.stream`);
  return calls[openStream](name, encodeValue(route.argument, value), options, route);
}

/**
 * Whether a value is an error that a request declares.
 *
 * @throws TypeError for a name or a code that is not declared.
 */
export function isErrorOf(
  routes: CompiledMessages,
  error: unknown,
  name: string,
  code: string | undefined,
): boolean {
  const errors = routeOf(routes, name).answer?.errors;
  if (!errors || (code !== undefined && !errors.has(code)))
    throw new TypeError(`'${name}' declares no ${code === undefined ? 'errors' : `error '${code}'`}`);
  return isDecodedError(error, name, code);
}
