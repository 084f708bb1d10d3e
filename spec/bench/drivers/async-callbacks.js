/**
 * Operations for contestants that pass messages to an asynchronous callback and whose `send`
 * returns a promise:
 *
 * @typedef {object} AsyncCallbackConnection
 * @property {(message: Uint8Array) => Promise<unknown>} send
 * @property {(message: Uint8Array) => unknown} onMessage - set by the driver; the next message
 *   waits for the promise that it returns.
 */

/** Sends `count` messages; resolves when the contestant has accepted all. */
export async function sendMany(connection, message, count) {
  for (let i = 0; i < count; i += 1) await connection.send(message);
}

/** Receives `count` messages. */
export function receiveMany(connection, counter, count) {
  return new Promise((resolve) => {
    connection.onMessage = (message) => {
      counter.add(message);
      if (counter.messages === count) resolve();
    };
  });
}

/** Sends `count` messages back. */
export function echo(connection, counter, count) {
  return new Promise((resolve) => {
    connection.onMessage = (message) => {
      counter.add(message);
      if (counter.messages === count) resolve();
      return connection.send(message);
    };
  });
}

/** Sends `count` requests, `inFlight` at a time, and counts the answers. */
export async function requests(connection, message, count, inFlight, counter) {
  const first = Math.min(inFlight, count);
  let left = count - first;
  const answered = new Promise((resolve) => {
    connection.onMessage = (answer) => {
      counter.add(answer);
      if (counter.messages === count) resolve();
      if (left === 0) return undefined;
      left -= 1;
      return connection.send(message);
    };
  });
  await sendMany(connection, message, first);
  await answered;
}
