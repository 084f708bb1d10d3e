import { setTimeout as sleep } from 'node:timers/promises';
import { makeMessage, MessageCounter } from '../measurement.js';
import { concurrently, echoFor, openAll, requestOn } from './connections.js';

const idleTime = 2000;

/** Connections that are idle for a while. Before and after it each answers one request. */
export const expected = ({ count }) => ({ connections: count, sent: 2 * count, answered: 2 * count });

export async function serve({ driver }, connection, task, counter, stopwatch) {
  await echoFor(driver, connection, 2, counter);
  stopwatch.stop();
}

export async function drive(contestant, task, stopwatch) {
  const counter = new MessageCounter();
  const connections = await openAll(contestant, task, counter);
  await sleep(idleTime);
  const message = makeMessage(task.size);
  await concurrently(task.inFlight, task.count, (i) =>
    requestOn(contestant.driver, connections[i], message, counter),
  );
  stopwatch.stop();
  return { connections, ...counter.result };
}
