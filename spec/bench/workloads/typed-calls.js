import { LatencyCounter } from '../measurement.js';

/**
 * One connection, one typed call after another. The client sends a notification before each call.
 */
export const expected = ({ count }) => ({ connections: 1, sent: 2 * count, answered: count });

export async function serve({ driver }, connection, { count }, counter, stopwatch) {
  stopwatch.start();
  await driver.serveTypedCalls(connection, counter, count);
  stopwatch.stop();
}

export async function drive({ connect, driver }, { port, count }, stopwatch) {
  const connection = await connect(port);
  const counter = new LatencyCounter(count);
  const callOnce = driver.prepareTypedCalls(connection);
  stopwatch.start();
  counter.start();
  for (let i = 0; i < count; i += 1) counter.addValue((await callOnce(i)) === i + 1);
  stopwatch.stop();
  return { connections: [connection], ...counter.result };
}
