import { makeMessage, Tally } from '../tally.js';
import { ask } from './ask.js';
import { atATime } from './at-a-time.js';

/**
 * New connections, each up to its first answer. They stay open until the time is taken: what it costs to close differs
 * by how politely a contestant does it.
 */
export const expected = ({ count }) => ({ connections: count, sent: count, answered: count });

export async function serve({ roles }, connection, task, tally, watch) {
  const own = new Tally();
  await roles.echo(connection, own, 1);
  tally.include(own);
  watch.stop();
}

export async function drive({ connect, roles }, { port, size, count, inFlight }, tally, watch) {
  const message = makeMessage(size);
  const opened = [];
  watch.start();
  await atATime(inFlight, count, async () => {
    const connection = await connect(port);
    opened.push(connection);
    await ask(roles, connection, message, tally);
  });
  watch.stop();
  return opened;
}
