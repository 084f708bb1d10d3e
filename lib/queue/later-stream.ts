import { markHandled } from '../util/wait.js';
import type { AnswerStream } from './call-types.js';

/** The stream of a promise. */
export function laterStream<Item, Answer>(
  made: Promise<AnswerStream<Item, Answer>>,
): AnswerStream<Item, Answer> {
  return {
    answer: markHandled(made.then(({ answer }) => answer)),
    next: () => markHandled(made.then((stream) => stream.next())),
    return: () => markHandled(made.then((stream) => stream.return())),
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: () => made.then((stream) => stream[Symbol.asyncDispose]()),
  };
}
