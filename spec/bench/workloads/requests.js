import { LatencyCounter, makeMessage, MessageCounter } from '../measurement.js';

/** One connection, one answer for each message. */
export const expected = ({ count }) => ({ connections: 1, sent: count, answered: count });

export async function serve({ driver }, connection, { count }, counter, stopwatch) {
  stopwatch.start();
  await driver.echo(connection, counter, count);
  stopwatch.stop();
}

export async function drive({ connect, driver }, { port, size, count, inFlight }, stopwatch) {
  const connection = await connect(port);
  const message = makeMessage(size);
  const counter = inFlight === 1 ? new LatencyCounter(count) : new MessageCounter();
  stopwatch.start();
  counter.start?.();
  await driver.requests(connection, message, count, inFlight, counter);
  stopwatch.stop();
  return { connections: [connection], ...counter.result };
}
