import { makeMessage, MessageCounter } from '../measurement.js';

/** One connection. The client asks once, and gets messages one way. */
export const expected = ({ count }) => ({ connections: 1, sent: 1, answered: count });

export async function serve({ driver }, connection, { size, count }, counter, stopwatch) {
  await driver.receiveMany(connection, counter, 1);
  stopwatch.start();
  await driver.sendMany(connection, makeMessage(size), count);
  stopwatch.stop();
}

export async function drive({ connect, driver }, { port, size, count }, stopwatch) {
  const connection = await connect(port);
  const counter = new MessageCounter();
  stopwatch.start();
  const answers = driver.receiveMany(connection, counter, count);
  await driver.sendMany(connection, makeMessage(size), 1);
  await answers;
  stopwatch.stop();
  return { connections: [connection], ...counter.result };
}
