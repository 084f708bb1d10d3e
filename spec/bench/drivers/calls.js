/**
 * Operations for contestants with synchronous callbacks, whose requests are calls:
 *
 * @typedef {object} CallConnection
 * @property {(message: Uint8Array, done: (error: Error | null, answer: Uint8Array) => void) =>
 *   void} call
 * @property {(message: Uint8Array) => Uint8Array} onCall - set by the driver.
 */
export { receiveMany, sendMany } from './callbacks.js';

/** Answers `count` calls with their argument. */
export function echo(connection, counter, count) {
  return new Promise((resolve) => {
    connection.onCall = (message) => {
      counter.add(message);
      if (counter.messages === count) resolve();
      return message;
    };
  });
}

/** Makes `count` calls, `inFlight` of them at a time. */
export function requests(connection, message, count, inFlight, counter) {
  return new Promise((resolve, reject) => {
    let left = count;
    const ask = () => {
      left -= 1;
      connection.call(message, answered);
    };
    const answered = (error, answer) => {
      if (error) return reject(error);
      counter.add(answer);
      if (left > 0) ask();
      else if (counter.messages === count) resolve();
    };
    for (let i = 0; i < Math.min(inFlight, count); i += 1) ask();
  });
}
