import { kindOf } from '../util/bytes.js';
import { MalformedError } from '../errors.js';
import { type Codec, elementSize } from './codec.js';

/** How many values may lie in each other before a payload is refused: the stack of the program is not the peer's. */
export const maxDepth: number = 64;

// Of all lazy codecs together: a value decodes in one go, and two that call each other share the one stack.
let depth = 0;

/**
 * A codec that is asked for when it is first used, so that a type can contain itself. It must take a byte or more. Values
 * may lie in each other 64 levels deep: deeper ones do not decode, and are a RangeError when they are sent.
 */
export function lazy<I, O>(get: () => Codec<I, O>): Codec<I, O> {
  if (typeof get !== 'function') throw new TypeError(`lazy takes a function, not ${kindOf(get)}`);
  let known: Codec<I, O> | undefined;
  const target = (): Codec<I, O> => {
    if (known !== undefined) return known;
    const found = get();
    elementSize('the codec of lazy', found);
    known = found;
    return found;
  };
  return {
    // Cannot be asked of the target, which may not be there yet; so it is the least that the target must have.
    minSize: 1,
    encode(writer, value) {
      if (depth === maxDepth) throw new RangeError(`a value is at most ${maxDepth} levels deep`);
      depth += 1;
      try {
        target().encode(writer, value);
      } finally {
        depth -= 1;
      }
    },
    decode(reader) {
      if (depth === maxDepth) {
        throw new MalformedError(
          `a value is at most ${maxDepth} levels deep`,
          reader.data.subarray(reader.tell()),
        );
      }
      depth += 1;
      try {
        return target().decode(reader);
      } finally {
        depth -= 1;
      }
    },
  };
}
