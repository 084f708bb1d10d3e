/**
 * The parts that a process plays, for contestants with callbacks:
 *
 * @typedef {object} CallbackConnection
 * @property {(message: Uint8Array) => boolean} send - false: no more until `onDrain`.
 * @property {(message: Uint8Array) => void} onMessage - set by the roles.
 * @property {() => void} onDrain - set by the roles.
 * @property {(error: Error) => void} onError - set by the roles.
 */

/** Sends `count` messages; resolves when all are handed over. */
export function source(connection, message, count) {
  return new Promise((resolve, reject) => {
    let left = count;
    const pump = () => {
      while (left > 0) {
        left -= 1;
        if (!connection.send(message)) return;
      }
      connection.onDrain = () => undefined;
      resolve();
    };
    connection.onError = reject;
    connection.onDrain = pump;
    pump();
  });
}

/** Receives `count` messages. */
export function sink(connection, tally, count) {
  return new Promise((resolve, reject) => {
    connection.onError = reject;
    connection.onMessage = (message) => {
      tally.add(message);
      if (tally.messages === count) resolve();
    };
  });
}

/** Sends `count` messages back. */
export function echo(connection, tally, count) {
  return new Promise((resolve, reject) => {
    connection.onError = reject;
    connection.onMessage = (message) => {
      tally.add(message);
      connection.send(message);
      if (tally.messages === count) resolve();
    };
  });
}

/** Sends `count` messages, `inFlight` of them at a time without an answer. */
export function requests(connection, message, count, inFlight, tally) {
  return new Promise((resolve, reject) => {
    let left = count - Math.min(inFlight, count);
    connection.onError = reject;
    connection.onMessage = (answer) => {
      tally.add(answer);
      if (left > 0) {
        left -= 1;
        connection.send(message);
      } else if (tally.messages === count) {
        resolve();
      }
    };
    for (let i = 0; i < Math.min(inFlight, count); i += 1) connection.send(message);
  });
}
