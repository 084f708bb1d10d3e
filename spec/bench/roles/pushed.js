/**
 * The parts that a process plays, for contestants that give messages to a callback and whose `send` has to be waited for:
 *
 * @typedef {object} PushedConnection
 * @property {(message: Uint8Array) => Promise<unknown>} send
 * @property {(message: Uint8Array) => unknown} onMessage - set by the roles; the next message waits for what it returns.
 */

/** Sends `count` messages; resolves when all are handed over. */
export async function source(connection, message, count) {
  for (let i = 0; i < count; i += 1) await connection.send(message);
}

/** Receives `count` messages. */
export function sink(connection, tally, count) {
  return new Promise((resolve) => {
    connection.onMessage = (message) => {
      tally.add(message);
      if (tally.messages === count) resolve();
    };
  });
}

/** Sends `count` messages back. */
export function echo(connection, tally, count) {
  return new Promise((resolve) => {
    connection.onMessage = (message) => {
      tally.add(message);
      if (tally.messages === count) resolve();
      return connection.send(message);
    };
  });
}

/** Sends `count` messages, `inFlight` of them at a time without an answer. */
export async function requests(connection, message, count, inFlight, tally) {
  const first = Math.min(inFlight, count);
  let left = count - first;
  const answered = new Promise((resolve) => {
    connection.onMessage = (answer) => {
      tally.add(answer);
      if (tally.messages === count) resolve();
      if (left === 0) return undefined;
      left -= 1;
      return connection.send(message);
    };
  });
  await source(connection, message, first);
  await answered;
}
