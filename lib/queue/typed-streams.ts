import { BinaryReader } from '../binary/reader.js';
import { PayloadWriter, type Payload } from '../codec/payload.js';
import type { Route } from '../codec/messages.js';
import type { Bytes } from '../util/bytes.js';
import { isPromiseLike } from '../util/wait.js';
import type { StreamCoders } from './call.js';
import { EncodedItems, isItems } from './items.js';

/** The bytes of a value. They stay valid. */
export function encodeValue(payload: Payload, value: unknown): Bytes {
  const writer = PayloadWriter.take();
  payload.write(writer, value);
  return writer.data;
}

/** How the streams of a call are encoded and decoded. */
export function codersOf({ answer, body, item }: Route): StreamCoders {
  return {
    items: item !== undefined,
    decoder: answer,
    ...(body && { encodeItem: (value: unknown) => encodeValue(body, value) }),
    ...(item && { readItem: (bytes: Bytes) => item.read(new BinaryReader(bytes)) }),
  };
}

/** A callback whose result is the items of a stream, or the answer without items. */
export function streamed<Context>(
  callback: (value: unknown, context: Context) => unknown,
  item: Payload,
  answer: Payload,
): (value: unknown, context: Context) => unknown {
  const encodeAnswer = (value: unknown): Bytes => encodeValue(answer, value);
  const encode = (result: unknown): unknown =>
    isItems(result)
      ? new EncodedItems(result, (value) => encodeValue(item, value), encodeAnswer)
      : encodeAnswer(result);
  return (value, context) => {
    const result = callback(value, context);
    return isPromiseLike(result) ? result.then(encode) : encode(result);
  };
}

/** A context whose body gives values. */
export function withValues<Context>(context: Context, payload: Payload): Context {
  const { body } = context as { readonly body: AsyncIterableIterator<BinaryReader, void> };
  return new ValueContext(context as AnyContext, valuesOf(body, payload)) as Context;
}

interface AnyContext {
  readonly socket: unknown;
  readonly name: string;
  readonly signal: unknown;
}

class ValueContext implements AnyContext {
  readonly socket: unknown;
  readonly name: string;
  readonly body: AsyncIterableIterator<unknown, void>;
  readonly #context: AnyContext;

  constructor(context: AnyContext, body: AsyncIterableIterator<unknown, void>) {
    this.socket = context.socket;
    this.name = context.name;
    this.body = body;
    this.#context = context;
  }

  // The signal is made on first use.
  get signal(): unknown {
    return this.#context.signal;
  }
}

function valuesOf(
  readers: AsyncIterableIterator<BinaryReader, void>,
  payload: Payload,
): AsyncIterableIterator<unknown, void> {
  const end = async (): Promise<IteratorResult<unknown, void>> => {
    await readers.return?.();
    return { done: true, value: undefined };
  };
  return {
    next: async () => {
      const result = await readers.next();
      if (result.done === true) return result;
      try {
        return { done: false, value: await payload.read(result.value) };
      } catch (error) {
        await end();
        throw error;
      }
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
