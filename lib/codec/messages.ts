import { kindOf } from '../util/bytes.js';
import { type AnyCodec, type Codec, isCodec, isSchema, type StandardSchema } from './codec.js';
import { CodecPayload, type Payload, SchemaPayload, type Subject } from './payload.js';

/** The description of one payload: a codec, or a schema for JSON. */
export type PayloadType = AnyCodec | StandardSchema;

/** A request: the descriptions of its argument and of its answer. */
export interface RequestType<
  Argument extends PayloadType = PayloadType,
  Answer extends PayloadType = PayloadType,
> {
  readonly argument: Argument;
  readonly answer: Answer;
}

/**
 * The names of messages and requests with the description of each. Both sides need the same.
 */
export type Messages = Readonly<Record<string, PayloadType | RequestType>>;

/** Describes a request by its argument and its answer, each a codec or a schema. */
export function request<A extends PayloadType, R extends PayloadType>(
  argument: A,
  answer: R,
): RequestType<A, R> {
  checkType('the argument of a request', argument);
  checkType('the answer of a request', answer);
  return { argument, answer };
}

/** The payloads of one name. Only a request has an `answer`. */
export interface Route {
  readonly argument: Payload;
  readonly answer: Payload | undefined;
}

/**
 * Prepares the payloads of all names. Throws a TypeError that quotes the name of a wrong
 * definition.
 */
export function compile(messages: Messages): ReadonlyMap<string, Route> {
  const given: unknown = messages;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`messages must be an object of codecs, not ${kindOf(given)}`);
  }
  const routes = new Map<string, Route>();
  for (const [name, type] of Object.entries(messages)) {
    if (isRequest(type)) {
      const argument = payloadOf(`the argument of '${name}'`, name, type.argument);
      routes.set(name, { argument, answer: payloadOf(`the answer of '${name}'`, name, type.answer) });
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
