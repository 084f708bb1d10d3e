/**
 * Operations for contestants with synchronous callbacks:
 *
 * @typedef {object} CallbackConnection
 * @property {(message: Uint8Array) => boolean} send - false: wait for `onDrain` before the next
 *   message.
 * @property {(message: Uint8Array) => void} onMessage - set by the driver.
 * @property {() => void} onDrain - set by the driver.
 * @property {(error: Error) => void} onError - set by the driver.
 */

/** Sends `count` messages; resolves when the contestant has accepted all. */
export function sendMany(connection, message, count) {
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
export function receiveMany(connection, counter, count) {
  return new Promise((resolve, reject) => {
    connection.onError = reject;
    connection.onMessage = (message) => {
      counter.add(message);
      if (counter.messages === count) resolve();
    };
  });
}

/** Sends `count` messages back. */
export function echo(connection, counter, count) {
  return new Promise((resolve, reject) => {
    connection.onError = reject;
    connection.onMessage = (message) => {
      counter.add(message);
      connection.send(message);
      if (counter.messages === count) resolve();
    };
  });
}

/** Sends `count` requests, `inFlight` at a time, and counts the answers. */
export function requests(connection, message, count, inFlight, counter) {
  return new Promise((resolve, reject) => {
    let left = count - Math.min(inFlight, count);
    connection.onError = reject;
    connection.onMessage = (answer) => {
      counter.add(answer);
      if (left > 0) {
        left -= 1;
        connection.send(message);
      } else if (counter.messages === count) {
        resolve();
      }
    };
    for (let i = 0; i < Math.min(inFlight, count); i += 1) connection.send(message);
  });
}
