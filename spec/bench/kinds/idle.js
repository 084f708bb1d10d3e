import { setTimeout as sleep } from 'node:timers/promises';
import { makeMessage, Tally } from '../tally.js';
import { ask } from './ask.js';
import { atATime } from './at-a-time.js';

const rest = 2000;

/** Connections that all do nothing for a while, and then all answer once more. */
export const expected = ({ count }) => ({ connections: count, sent: 2 * count, answered: 2 * count });

export async function serve({ roles }, connection, task, tally, watch) {
  const own = new Tally();
  await roles.echo(connection, own, 2);
  tally.include(own);
  watch.stop();
}

export async function drive({ connect, roles }, { port, size, count, inFlight }, tally, watch) {
  const message = makeMessage(size);
  const opened = [];
  await atATime(inFlight, count, async () => {
    const connection = await connect(port);
    opened.push(connection);
    await ask(roles, connection, message, tally);
  });
  await sleep(rest);
  await atATime(inFlight, count, (i) => ask(roles, opened[i], message, tally));
  watch.stop();
  return opened;
}
