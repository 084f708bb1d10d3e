import { makeMessage, Tally } from '../tally.js';

/**
 * Messages one way again and again over the same connections, each lap with a time of its own. The first connection
 * takes no part: nobody ever reads from it, and when the laps are half done it is sent to until no more goes in.
 */
export const expected = ({ count, laps, runners }) => ({
  connections: runners,
  sent: count * laps * runners,
  answered: laps * runners,
});

export async function serve({ roles }, connection, { size, count, laps, isFirst }, tally, watch) {
  if (isFirst) {
    // Where messages are pushed, a callback that never returns is how not to read.
    connection.onMessage = never;
    await never();
  }
  for (let i = 0; i < laps; i += 1) {
    const own = new Tally();
    await roles.sink(connection, own, count);
    tally.include(own);
    await roles.source(connection, makeMessage(size), 1);
  }
  watch.stop();
}

export async function drive(
  { connect, roles },
  { port, size, count, laps, runners, slowReader },
  tally,
  watch,
) {
  const message = makeMessage(size);
  const unread = await connect(port);
  const running = [];
  while (running.length < runners) running.push(await connect(port));
  const run = async (connection) => {
    const own = new Tally();
    const answer = roles.sink(connection, own, 1);
    await roles.source(connection, message, count);
    await answer;
    tally.include(own);
  };
  const times = [];
  for (let i = 0; i < laps; i += 1) {
    if (slowReader && i === laps / 2) await fill(roles, unread);
    const start = performance.now();
    await Promise.all(running.map(run));
    times.push((performance.now() - start) / 1000);
  }
  watch.stop();
  watch.result.laps = times;
  return [unread, ...running];
}

/** Sends until nothing more goes in. */
async function fill(roles, connection) {
  const message = makeMessage(1024);
  let sent = 0;
  const sender = async () => {
    for (;;) {
      await roles.source(connection, message, 64);
      sent += 64;
    }
  };
  // It ends when the connection is closed under it.
  sender().catch(() => undefined);
  for (let before = -1; sent > before;) {
    if (sent > 1_000_000) throw new Error('a connection that nobody reads from takes everything');
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const never = () => new Promise(() => undefined);
