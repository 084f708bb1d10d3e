/**
 * The parts that a process plays, for contestants with callbacks whose requests are calls:
 *
 * @typedef {object} CallConnection
 * @property {(message: Uint8Array, done: (error: Error | null, answer: Uint8Array) => void) => void} call
 * @property {(message: Uint8Array) => Uint8Array} onCall - set by the roles.
 */
export { sink, source } from './callbacks.js';

/** Answers `count` calls with what they brought. */
export function echo(connection, tally, count) {
  return new Promise((resolve) => {
    connection.onCall = (message) => {
      tally.add(message);
      if (tally.messages === count) resolve();
      return message;
    };
  });
}

/** Makes `count` calls, `inFlight` of them at a time. */
export function requests(connection, message, count, inFlight, tally) {
  return new Promise((resolve, reject) => {
    let left = count;
    const ask = () => {
      left -= 1;
      connection.call(message, answered);
    };
    const answered = (error, answer) => {
      if (error) return reject(error);
      tally.add(answer);
      if (left > 0) ask();
      else if (tally.messages === count) resolve();
    };
    for (let i = 0; i < Math.min(inFlight, count); i += 1) ask();
  });
}
