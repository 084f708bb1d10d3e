import type { CompiledMessages, Route } from '../codec/messages.js';
import { encodeValue, PayloadWriter, type Payload } from '../codec/payload.js';
import { kindOf, type Bytes } from '../util/bytes.js';
import { checkFunction } from '../util/options.js';
import { isPromiseLike } from '../util/wait.js';

/** The payloads of a name. @throws TypeError for an unknown name. */
export function routeOf(routes: CompiledMessages, name: string): Route {
  const route = routes.get(name);
  if (route !== undefined) return route;
  throw new TypeError(`unknown message '${name}': the object that 'typed' got does not contain it`);
}

/** The payload of a message. @throws TypeError for an unknown name, and for a request. */
export function messageRoute(routes: CompiledMessages, name: string): Route {
  const route = routeOf(routes, name);
  if (route.answer === undefined) return route;
  throw new TypeError(`'${name}' is a request, which only call can send`);
}

/**
 * The callbacks of an object, without undefined ones.
 *
 * @throws TypeError for an unknown name, and for a callback that is no function.
 */
export function callbackEntries(
  routes: CompiledMessages,
  callbacks: object,
): [name: string, callback: unknown][] {
  const given: unknown = callbacks;
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`callbacks must be an object, not ${kindOf(given)}`);
  const entries = Object.entries(given).filter(([, callback]) => callback !== undefined);
  for (const [name, callback] of entries) {
    routeOf(routes, name);
    checkFunction(`the callback of '${name}'`, callback);
  }
  return entries;
}

/** A callback of values. */
export type Use<Context> = (value: unknown, context: Context) => unknown;

function silence(): undefined {
  return undefined;
}

/** Discards the result: a peer may call a message as a request and must not see it. */
export function unanswered<Context>(callback: Use<Context>): Use<Context> {
  return (value, context) => {
    const result = callback(value, context);
    return isPromiseLike(result) ? result.then(silence) : undefined;
  };
}

/** Encodes the result as the answer. An encoding error is an error of the callback. */
export function answered<Context>(callback: Use<Context>, answer: Payload): Use<Context> {
  const encodeLater = (result: unknown): Bytes => encodeValue(answer, result);
  return (value, context) => {
    const result = callback(value, context);
    if (isPromiseLike(result)) return result.then(encodeLater);
    const writer = PayloadWriter.take();
    answer.write(writer, result);
    // The queue sends the bytes before another payload is encoded.
    PayloadWriter.give(writer);
    return writer.data;
  };
}
