import { kindOf } from '../util/bytes.js';
import { type AnyCodec, type Codec, isCodec } from './codec.js';
import { CodecPayload, type Payload, SchemaPayload, type Subject } from './payload.js';
import { isSchema, type StandardSchema } from './schema.js';

/** What describes one payload: a codec, or a schema over JSON. */
export type PayloadType = AnyCodec | StandardSchema;

/** A request: what describes its argument, and what its answer. */
export interface RequestType<
  Argument extends PayloadType = PayloadType,
  Answer extends PayloadType = PayloadType,
> {
  readonly argument: Argument;
  readonly answer: Answer;
}

/** The names of messages and requests, and what each of them carries. Both sides have the same. */
export type Messages = Readonly<Record<string, PayloadType | RequestType>>;

/** A request by what describes its argument and its answer: a codec or a schema each. */
export function request<A extends PayloadType, R extends PayloadType>(
  argument: A,
  answer: R,
): RequestType<A, R> {
  checkType('the argument of a request', argument);
  checkType('the answer of a request', answer);
  return { argument, answer };
}

/** One name, ready for use. `answer` is there for a request. */
export interface Route {
  readonly argument: Payload;
  readonly answer: Payload | undefined;
}

/** The names of a definition, each ready for use. Throws a TypeError that quotes the name of what is no definition. */
export function compile(messages: Messages): ReadonlyMap<string, Route> {
  const given: unknown = messages;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`messages are an object of codecs, not ${kindOf(given)}`);
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
  throw new TypeError(`${what} is a codec or a schema, not ${kindOf(type)}`);
}
