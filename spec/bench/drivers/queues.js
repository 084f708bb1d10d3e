import { typedMessages } from '../library.js';
import { noteText } from '../measurement.js';

/**
 * Operations for queue sockets of k4net: callbacks one way, calls for requests, and typed calls.
 */
export { receiveMany, sendMany } from './async-callbacks.js';

/** Answers `count` calls with their argument. */
export function echo(connection, counter, count) {
  return new Promise((resolve) => {
    connection.onMessage = (message) => {
      counter.add(message);
      if (counter.messages === count) resolve();
      return message;
    };
  });
}

/** Makes `count` calls, `inFlight` of them at a time. */
export async function requests(connection, message, count, inFlight, counter) {
  let left = count;
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      counter.add(await connection.call(message));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
}

/** Answers `count` typed calls and counts as many notifications. */
export function serveTypedCalls({ queue }, counter, count) {
  return new Promise((resolve) => {
    const typed = queue.typed(typedMessages);
    const add = (isRight) => {
      counter.addValue(isRight);
      if (counter.messages === 2 * count) resolve();
    };
    typed.registerCallback('note', ({ text }) => add(text === noteText));
    typed.registerCallback('add', ({ a, b }) => {
      add(b === 1);
      return { sum: a + b };
    });
  });
}

/** Returns a function that sends a notification, makes a call, and resolves with the sum. */
export function prepareTypedCalls({ queue }) {
  const typed = queue.typed(typedMessages);
  return async (i) => {
    void typed.sendRegistered('note', { n: i, text: noteText });
    const { sum } = await typed.call('add', { a: i, b: 1 });
    return sum;
  };
}
