import { kindOf } from '../util/bytes.js';
import { type Codec, isCodec, isSchema, type PayloadType, type StandardSchema } from './codec.js';
import { nothing } from './primitives.js';
import { CodecPayload, type Payload, SchemaPayload, type Subject } from './payload.js';

export type { PayloadType } from './codec.js';

/** A request: the descriptions of its argument, of its answer, and of its sequences of items. */
export interface RequestType<
  Argument extends PayloadType = PayloadType,
  Answer extends PayloadType = PayloadType,
  Body extends PayloadType | undefined = PayloadType | undefined,
  Item extends PayloadType | undefined = PayloadType | undefined,
> {
  readonly argument: Argument;
  readonly answer: Answer;
  /** The items after the argument. */
  readonly body: Body;
  /** The items before the answer. */
  readonly item: Item;
}

/**
 * The names of messages and requests with the description of each. Both sides need the same.
 */
export type Messages = Readonly<Record<string, PayloadType | RequestType>>;

/**
 * Describes a request by its argument and its answer, each a codec or a schema.
 *
 * @param streams - `body`: describes the items that follow the argument, for `call` with a `body`.
 */
export function request<
  A extends PayloadType,
  R extends PayloadType,
  B extends PayloadType | undefined = undefined,
>(argument: A, answer: R, streams?: { readonly body?: B }): RequestType<A, R, B, undefined> {
  return requestType('request', argument, answer, streams?.body as B, undefined);
}

/**
 * Describes a streaming call by its argument and the items of its answer, each a codec or a schema.
 *
 * @param streams - `body`: describes the items that follow the argument; default none. `answer`:
 * describes the return value of the generator; default nothing.
 */
export function stream<
  A extends PayloadType,
  I extends PayloadType,
  B extends PayloadType | undefined = undefined,
  R extends PayloadType = Codec<void>,
>(argument: A, item: I, streams?: { readonly body?: B; readonly answer?: R }): RequestType<A, R, B, I> {
  checkType('the items of a stream', item);
  const answer: PayloadType = streams?.answer ?? nothing;
  return requestType('stream', argument, answer as R, streams?.body as B, item);
}

function requestType<
  A extends PayloadType,
  R extends PayloadType,
  B extends PayloadType | undefined,
  I extends PayloadType | undefined,
>(kind: string, argument: A, answer: R, body: B, item: I): RequestType<A, R, B, I> {
  checkType(`the argument of a ${kind}`, argument);
  checkType(`the answer of a ${kind}`, answer);
  if (body !== undefined) checkType(`the body of a ${kind}`, body);
  return { argument, answer, body, item };
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
  const given: unknown = messages;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`messages must be an object of codecs, not ${kindOf(given)}`);
  }
  const routes = new Map<string, Route>();
  for (const [name, type] of Object.entries(messages)) {
    if (isRequest(type)) {
      const argument = payloadOf(`the argument of '${name}'`, name, type.argument);
      const answer = payloadOf(`the answer of '${name}'`, name, type.answer);
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

function payloadOf(what: string, messageName: string, type: PayloadType): Payload {
  const subject: Subject = { what, messageName };
  const checked = checkType(what, type);
  return isSchema(checked) ? new SchemaPayload(checked, subject) : new CodecPayload(checked, subject);
}

function checkType(what: string, type: unknown): StandardSchema | Codec<unknown> {
  if (isSchema(type) || isCodec(type)) return type;
  throw new TypeError(`${what} must be a codec or a schema, not ${kindOf(type)}`);
}
