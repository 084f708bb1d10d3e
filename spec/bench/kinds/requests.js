import { makeMessage } from '../tally.js';

/** One connection, each message is answered by itself. */
export const expected = ({ count }) => ({ connections: 1, sent: count, answered: count });

export async function serve({ roles }, connection, { count }, tally, watch) {
  watch.start();
  await roles.echo(connection, tally, count);
  watch.stop();
}

export async function drive({ connect, roles }, { port, size, count, inFlight }, tally, watch) {
  const connection = await connect(port);
  const message = makeMessage(size);
  watch.start();
  await roles.requests(connection, message, count, inFlight, tally);
  watch.stop();
  return [connection];
}
