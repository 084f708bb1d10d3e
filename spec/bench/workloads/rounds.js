import { makeMessage, MessageCounter } from '../measurement.js';

/**
 * Messages one way in several rounds over the same connections. Each round has a time of its own.
 * One more connection, the first, has a server that never reads; with `slowReader` the client fills
 * it before the second half of the rounds.
 */
export const expected = ({ count, rounds, connections }) => ({
  connections,
  sent: count * rounds * connections,
  answered: rounds * connections,
});

export async function serve({ driver }, connection, { size, count, rounds, isFirst }, counter, stopwatch) {
  if (isFirst) {
    // A contestant with asynchronous callbacks stops reading when one never returns.
    connection.onMessage = never;
    await never();
  }
  for (let i = 0; i < rounds; i += 1) {
    const own = new MessageCounter();
    await driver.receiveMany(connection, own, count);
    counter.include(own);
    await driver.sendMany(connection, makeMessage(size), 1);
  }
  stopwatch.stop();
}

export async function drive(contestant, task, stopwatch) {
  const { connect, driver } = contestant;
  const { port, size, count, rounds, connections, slowReader } = task;
  const message = makeMessage(size);
  const counter = new MessageCounter();
  const unread = await connect(port);
  const read = [];
  while (read.length < connections) read.push(await connect(port));
  const runRound = async (connection) => {
    const own = new MessageCounter();
    const answer = driver.receiveMany(connection, own, 1);
    await driver.sendMany(connection, message, count);
    await answer;
    counter.include(own);
  };
  const times = [];
  for (let i = 0; i < rounds; i += 1) {
    if (slowReader && i === rounds / 2) await fill(driver, unread);
    const start = performance.now();
    await Promise.all(read.map(runRound));
    times.push((performance.now() - start) / 1000);
  }
  stopwatch.stop();
  return { connections: [unread, ...read], rounds: times, ...counter.result };
}

/** Sends until backpressure stops the sender. */
async function fill(driver, connection) {
  const message = makeMessage(1024);
  let sent = 0;
  const sendForever = async () => {
    for (;;) {
      await driver.sendMany(connection, message, 64);
      sent += 64;
    }
  };
  // It rejects when the connection is closed at the end of the measurement.
  sendForever().catch(() => undefined);
  for (let before = -1; sent > before;) {
    if (sent > 1_000_000) throw new Error('a connection that nobody reads from has no backpressure');
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const never = () => new Promise(() => undefined);
