import { makeMessage, MessageCounter } from '../measurement.js';

/**
 * New connections, each up to its first answer. They stay open until the time is taken, because
 * contestants differ in how much they do to close one.
 */
export const expected = ({ count }) => ({ connections: count, sent: count, answered: count });

export async function serve({ driver }, connection, task, counter, stopwatch) {
  await echoFor(driver, connection, 1, counter);
  stopwatch.stop();
}

export async function drive(contestant, task, stopwatch) {
  const counter = new MessageCounter();
  stopwatch.start();
  const connections = await openAll(contestant, task, counter);
  stopwatch.stop();
  return { connections, ...counter.result };
}

/** Answers `count` messages of one of several connections. */
export async function echoFor(driver, connection, count, counter) {
  const own = new MessageCounter();
  await driver.echo(connection, own, count);
  counter.include(own);
}

/** Makes one request on one of several connections. */
export async function requestOn(driver, connection, message, counter) {
  const own = new MessageCounter();
  await driver.requests(connection, message, 1, 1, own);
  counter.include(own);
}

/** Opens `count` connections, `inFlight` at a time, and makes one request on each. */
export async function openAll({ connect, driver }, { port, size, count, inFlight }, counter) {
  const message = makeMessage(size);
  const opened = [];
  await concurrently(inFlight, count, async () => {
    const connection = await connect(port);
    opened.push(connection);
    await requestOn(driver, connection, message, counter);
  });
  return opened;
}

/** Runs `task` for 0 to `count - 1`, at most `limit` at a time. */
export function concurrently(limit, count, task) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      await task(next - 1);
    }
  };
  return Promise.all(Array.from({ length: limit }, worker));
}
