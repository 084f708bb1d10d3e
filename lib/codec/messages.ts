import { checkErrorCode } from './call-error.js';
import { kindOf } from '../util/bytes.js';
import { type Codec, isCodec, isSchema, type PayloadType, type StandardSchema } from './codec.js';
import { nothing } from './primitives.js';
import { CodecPayload, type ErrorPayloads, type Payload, SchemaPayload, type Subject } from './payload.js';

export type { PayloadType } from './codec.js';

/** The codes of errors with the description of the data of each. */
export type ErrorTypes = Readonly<Record<string, PayloadType>>;

/**
 * A request: the descriptions of its argument, of its answer, of its sequences of items, and of the
 * errors of its callback.
 */
export interface RequestType<
  Argument extends PayloadType = PayloadType,
  Answer extends PayloadType = PayloadType,
  Body extends PayloadType | undefined = PayloadType | undefined,
  Item extends PayloadType | undefined = PayloadType | undefined,
  Errors extends ErrorTypes | undefined = ErrorTypes | undefined,
> {
  readonly argument: Argument;
  readonly answer: Answer;
  /** The items after the argument. */
  readonly body: Body;
  /** The items before the answer. */
  readonly item: Item;
  /** The data of each `CallError`, by its code. */
  readonly errors: Errors;
}

/**
 * The names of messages and requests with the description of each. Both sides need the same.
 */
export type Messages = Readonly<Record<string, PayloadType | RequestType>>;

/**
 * Describes a request by its argument and its answer, each a codec or a schema.
 *
 * @param more - `body`: describes the items that follow the argument, for `call` with a `body`.
 * `errors`: describes the data of each `CallError` of the callback, by its code.
 */
export function request<
  A extends PayloadType,
  R extends PayloadType,
  B extends PayloadType | undefined = undefined,
  E extends ErrorTypes | undefined = undefined,
>(
  argument: A,
  answer: R,
  more?: { readonly body?: B; readonly errors?: E },
): RequestType<A, R, B, undefined, E> {
  return requestType('request', argument, answer, more?.body as B, undefined, more?.errors as E);
}

/**
 * Describes a streaming call by its argument and the items of its answer, each a codec or a schema.
 *
 * @param more - `body`: describes the items that follow the argument; default none. `answer`:
 * describes the return value of the generator; default nothing. `errors`: describes the data of
 * each `CallError` of the callback, by its code.
 */
export function stream<
  A extends PayloadType,
  I extends PayloadType,
  B extends PayloadType | undefined = undefined,
  R extends PayloadType = Codec<void>,
  E extends ErrorTypes | undefined = undefined,
>(
  argument: A,
  item: I,
  more?: { readonly body?: B; readonly answer?: R; readonly errors?: E },
): RequestType<A, R, B, I, E> {
  checkType('the items of a stream', item);
  const answer: PayloadType = more?.answer ?? nothing;
  return requestType('stream', argument, answer as R, more?.body as B, item, more?.errors as E);
}

function requestType<
  A extends PayloadType,
  R extends PayloadType,
  B extends PayloadType | undefined,
  I extends PayloadType | undefined,
  E extends ErrorTypes | undefined,
>(kind: string, argument: A, answer: R, body: B, item: I, errors: E): RequestType<A, R, B, I, E> {
  checkType(`the argument of a ${kind}`, argument);
  checkType(`the answer of a ${kind}`, answer);
  if (body !== undefined) checkType(`the body of a ${kind}`, body);
  if (errors !== undefined) checkErrors(kind, errors);
  return { argument, answer, body, item, errors };
}

function checkErrors(kind: string, errors: ErrorTypes): void {
  checkObject(`the errors of a ${kind}`, errors);
  for (const [code, type] of Object.entries(errors))
    checkType(`the data of the error '${checkErrorCode(code)}' of a ${kind}`, type);
}

/** The payloads of one name. Only a request has an `answer`. */
export interface Route {
  readonly argument: Payload;
  readonly answer: Payload | undefined;
  readonly body?: Payload | undefined;
  readonly item?: Payload | undefined;
}

/** The payloads of all names. */
export type CompiledMessages = ReadonlyMap<string, Route>;

/**
 * Prepares the payloads of all names. Throws a TypeError that quotes the name of a wrong
 * definition.
 */
export function compile(messages: Messages): CompiledMessages {
  checkObject('messages', messages);
  const routes = new Map<string, Route>();
  for (const [name, type] of Object.entries(messages)) {
    if (isRequest(type)) {
      const argument = payloadOf(`the argument of '${name}'`, name, type.argument);
      const errors = type.errors && errorPayloads(name, type.errors);
      const answer = payloadOf(`the answer of '${name}'`, name, type.answer, errors);
      const body = type.body && payloadOf(`an item of the body of '${name}'`, name, type.body);
      const item = type.item && payloadOf(`an item of '${name}'`, name, type.item);
      routes.set(name, { argument, answer, body, item });
    } else {
      routes.set(name, { argument: payloadOf(`the payload of '${name}'`, name, type), answer: undefined });
    }
  }
  return routes;
}

function isRequest(type: PayloadType | RequestType): type is RequestType {
  const given: unknown = type;
  return typeof given === 'object' && given !== null && 'argument' in given && 'answer' in given;
}

function errorPayloads(name: string, errors: ErrorTypes): ErrorPayloads {
  const entries = Object.entries(errors);
  return new Map(
    entries.map(([code, type]) => [
      code,
      payloadOf(`the data of the error '${code}' of '${name}'`, name, type),
    ]),
  );
}

function payloadOf(what: string, messageName: string, type: PayloadType, errors?: ErrorPayloads): Payload {
  const subject: Subject = { what, messageName };
  const checked = checkType(what, type);
  return isSchema(checked)
    ? new SchemaPayload(checked, subject, errors)
    : new CodecPayload(checked, subject, errors);
}

function checkObject(what: string, given: unknown): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError(`${what} must be an object of codecs, not ${kindOf(given)}`);
}

function checkType(what: string, type: unknown): StandardSchema | Codec<unknown> {
  if (isSchema(type) || isCodec(type)) return type;
  throw new TypeError(`${what} must be a codec or a schema, not ${kindOf(type)}`);
}
