import { decodeUtf8, type Bytes } from '../util/bytes.js';
import { K4netError, MalformedError } from '../errors.js';
import { iterate } from '../util/iterate.js';
import { noOptions } from '../util/options.js';
import { Deferred, markHandled, markHandledByClass, rejected } from '../util/wait.js';
import type { Inbox } from './inbox.js';
import type { Receiver } from './pending-receives.js';

/** Limits a batch: an empty message takes much more memory in a batch than in the inbox. */
const maxBatch = 1024;

/**
 * The messages of an inbox, for `for await`. Does not prefetch messages.
 *
 * @param onEnd - called when the loop reaches the end of the peer or of this side.
 */
export function iterateMessages(inbox: Inbox, onEnd: () => void): AsyncIterableIterator<Bytes, void> {
  return iterate(() => {
    try {
      const value = inbox.take();
      if (value !== undefined) return Promise.resolve({ done: false, value });
      return inbox.wait(new PendingNext(onEnd));
    } catch (error) {
      return rejected(error);
    }
  });
}

/** The messages in batches: each message together with those that have arrived after it. */
export function iterateBatches(inbox: Inbox, onEnd: () => void): AsyncIterableIterator<Bytes[], void> {
  const batch = (message: Bytes): IteratorResult<Bytes[], void> => {
    const value = [message];
    inbox.takeMore(value, maxBatch);
    return { done: false, value };
  };
  return iterate(() => {
    try {
      const message = inbox.take();
      if (message !== undefined) return Promise.resolve(batch(message));
      return markHandled(inbox.receive(noOptions).then(batch, (error: unknown) => endOf(error, onEnd)));
    } catch (error) {
      return rejected(error);
    }
  });
}

/** The messages of a loop as text. */
export function iterateTexts(messages: AsyncIterable<Bytes>): AsyncGenerator<string, void, undefined> {
  const texts = textsOf(messages);
  const next = texts.next.bind(texts);
  return Object.assign(texts, { next: () => markHandledByClass(next()) });
}

async function* textsOf(messages: AsyncIterable<Bytes>): AsyncGenerator<string, void, undefined> {
  for await (const message of messages) yield toText(message);
}

/** One step of a loop that waits for its message. */
class PendingNext extends Deferred<IteratorResult<Bytes, void>> implements Receiver {
  declare readonly maxSize: number;
  declare next: Receiver | undefined;
  declare readonly onEnd: () => void;

  constructor(onEnd: () => void) {
    super();
    this.maxSize = Infinity;
    this.next = undefined;
    this.onEnd = onEnd;
  }

  take(message: Bytes): void {
    this.resolve({ done: false, value: message });
  }

  fail(error: unknown): void {
    // `onEnd` closes the socket, so it runs in a later microtask: the socket is just rejecting its
    // waiting calls.
    this.resolve(Promise.reject(error as Error).catch((reason: unknown) => endOf(reason, this.onEnd)));
    void markHandled(this.promise);
  }
}

function endOf(error: unknown, onEnd: () => void): IteratorResult<never, void> {
  if (!K4netError.is(error, 'K4NET_CLOSED')) throw error;
  onEnd();
  return { done: true, value: undefined };
}

/**
 * A message as text.
 *
 * @throws MalformedError with the bytes of the message, if it is not UTF-8.
 */
export function toText(message: Bytes): string {
  try {
    return decodeUtf8(message);
  } catch (error) {
    throw new MalformedError('the message is not UTF-8 text', message, { cause: error });
  }
}
