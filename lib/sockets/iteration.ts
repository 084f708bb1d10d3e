import { decodeUtf8, type Bytes } from '../util/bytes.js';
import { K4netError, MalformedError } from '../errors.js';
import { noOptions } from '../util/options.js';
import { markHandled, rejected } from '../util/wait.js';
import type { Inbox } from './inbox.js';

/** A batch of empty messages is many times what its bytes were, so there is a limit. */
const mostAtOnce = 1024;

/**
 * The messages of an inbox, for `for await`. None is taken ahead. By hand, because an async generator costs a message
 * three times as much.
 *
 * @param onEnd - called when the loop comes to the end of the peer or of this side.
 */
export function iterate(inbox: Inbox, onEnd: () => void): AsyncIterableIterator<Bytes, void> {
  return {
    next(): Promise<IteratorResult<Bytes, void>> {
      try {
        const value = inbox.take();
        return value === undefined
          ? markHandled(wait(inbox, onEnd))
          : Promise.resolve({ done: false, value });
      } catch (error) {
        return rejected(error);
      }
    },
    return: () => Promise.resolve({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** The same, each message with those that are here behind it. */
export function iterateBatches(inbox: Inbox, onEnd: () => void): AsyncIterableIterator<Bytes[], void> {
  const batch = (message: Bytes): IteratorResult<Bytes[], void> => {
    const value = [message];
    inbox.takeMore(value, mostAtOnce);
    return { done: false, value };
  };
  const waitForBatch = async (): Promise<IteratorResult<Bytes[], void>> => {
    const first = await wait(inbox, onEnd);
    return first.done ? first : batch(first.value);
  };
  return {
    next(): Promise<IteratorResult<Bytes[], void>> {
      try {
        const message = inbox.take();
        return message === undefined ? markHandled(waitForBatch()) : Promise.resolve(batch(message));
      } catch (error) {
        return rejected(error);
      }
    },
    return: () => Promise.resolve({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function wait(inbox: Inbox, onEnd: () => void): Promise<IteratorResult<Bytes, void>> {
  try {
    return { done: false, value: await inbox.receive(noOptions) };
  } catch (error) {
    if (!K4netError.is(error, 'K4NET_CLOSED')) throw error;
    onEnd();
    return { done: true, value: undefined };
  }
}

/**
 * A message as text.
 *
 * @throws MalformedError with the message, if it is not UTF-8.
 */
export function toText(message: Bytes): string {
  try {
    return decodeUtf8(message);
  } catch (error) {
    throw new MalformedError('the message is not UTF-8 text', message, { cause: error });
  }
}
