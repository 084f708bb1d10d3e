import { BinaryWriter } from '../binary/writer.js';
import { kindOf, toBytes, type Bytes } from '../util/bytes.js';
import { isPromiseLike } from '../util/wait.js';
import type { Payload } from './types.js';

const empty: Bytes = new Uint8Array(0);

/** The bytes of a payload; whatever its constructor throws. */
export function payloadBytes(payload: Payload | undefined): Bytes {
  if (payload === undefined) return empty;
  return typeof payload === 'function' ? construct(payload) : toBytes(payload);
}

/** What a constructor writes. */
function construct(constructor: (writer: BinaryWriter) => unknown): Bytes {
  const writer = new BinaryWriter();
  const result = constructor(writer);
  if (isPromiseLike(result)) {
    // Its rejection has no other listener.
    result.then(undefined, () => undefined);
    throw new TypeError('a constructor writes at once: it is not an async function');
  }
  return writer.data;
}

/** Checks a function that was given. */
export function checkFunction(what: string, given: unknown): void {
  if (typeof given !== 'function') throw new TypeError(`${what} is a function, not ${kindOf(given)}`);
}
