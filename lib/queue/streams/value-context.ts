import type { BinaryReader } from '../../binary/reader.js';
import type { Payload } from '../../codec/payload.js';
import type { CallbackContext } from '../types.js';

/** A context whose body gives values. */
export function withValues(context: CallbackContext, payload: Payload): CallbackContext {
  return new ValueContext(context, valuesOf(context.body, payload)) as unknown as CallbackContext;
}

class ValueContext {
  readonly socket: CallbackContext['socket'];
  readonly name: string;
  readonly body: AsyncIterableIterator<unknown, void>;
  readonly #context: CallbackContext;

  constructor(context: CallbackContext, body: AsyncIterableIterator<unknown, void>) {
    this.socket = context.socket;
    this.name = context.name;
    this.body = body;
    this.#context = context;
  }

  // The signal is made on first use.
  get signal(): CallbackContext['signal'] {
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
