/** The parts that a process plays, for queues of the library: callbacks one way, calls for requests. */
export { sink, source } from './pushed.js';

/** Answers `count` calls with what they brought. */
export function echo(connection, tally, count) {
  return new Promise((resolve) => {
    connection.onMessage = (message) => {
      tally.add(message);
      if (tally.messages === count) resolve();
      return message;
    };
  });
}

/** Makes `count` calls, `inFlight` of them at a time. */
export async function requests(connection, message, count, inFlight, tally) {
  let left = count;
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      tally.add(await connection.call(message));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
}
