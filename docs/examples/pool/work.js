// The side of the worker: answers the tasks of the pool, one at a time.
import { LockedSocket, QueueSocket } from 'k4net';
import { port } from './runtime.js';

/**
 * Connects this worker with the pool that started it.
 *
 * @param messages - the typed messages, the same as those of the pool.
 * @param tasks - a function for each of their names.
 */
export function work(messages, tasks) {
  // One at a time: the pool relies on it. Others wait here, so that the next one starts at once.
  // The caller gets the error of a task, so this side does not report it.
  const queue = new QueueSocket(new LockedSocket(port), { requestConcurrency: 1, onError: () => {} });
  const pool = queue.typed(messages);
  for (const [name, run] of Object.entries(tasks))
    pool.registerCallback(name, async (value) => {
      // A task that computes for long blocks the event loop: send the answer before it first.
      await queue.flush();
      return run(value);
    });
  queue.start();
}
