import { makeMessage, MessageCounter } from '../measurement.js';

/** One connection, messages one way. The server answers once, when all have arrived. */
export const expected = ({ count }) => ({ connections: 1, sent: count, answered: 1 });

export async function serve({ driver }, connection, { size, count }, counter, stopwatch) {
  stopwatch.start();
  await driver.receiveMany(connection, counter, count);
  stopwatch.stop();
  await driver.sendMany(connection, makeMessage(size), 1);
}

export async function drive({ connect, driver }, { port, size, count }, stopwatch) {
  const connection = await connect(port);
  const message = makeMessage(size);
  const counter = new MessageCounter();
  stopwatch.start();
  const answer = driver.receiveMany(connection, counter, 1);
  await driver.sendMany(connection, message, count);
  await answer;
  stopwatch.stop();
  return { connections: [connection], ...counter.result };
}
