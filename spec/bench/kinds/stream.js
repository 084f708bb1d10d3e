import { makeMessage } from '../tally.js';

/** One connection, messages one way. At the end one comes back: it says that all have arrived. */
export const expected = ({ count }) => ({ connections: 1, sent: count, answered: 1 });

export async function serve({ roles }, connection, { size, count }, tally, watch) {
  watch.start();
  await roles.sink(connection, tally, count);
  watch.stop();
  await roles.source(connection, makeMessage(size), 1);
}

export async function drive({ connect, roles }, { port, size, count }, tally, watch) {
  const connection = await connect(port);
  const message = makeMessage(size);
  watch.start();
  const answer = roles.sink(connection, tally, 1);
  await roles.source(connection, message, count);
  await answer;
  watch.stop();
  return [connection];
}
