// One of the two processes of a measurement. It obeys the commands of `PeerProcess` in
// peer-process.js.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageCounter, Stopwatch } from './measurement.js';
import { workloads } from './workloads/index.js';

const { K4NET_BENCH_PROFILE: profileFile } = process.env;
let contestant;
let accept;
let open = [];

const commands = {
  async load({ file }) {
    contestant = await import(file);
  },

  listen: () =>
    contestant.listen((connection) => {
      open.push(connection);
      accept(connection);
    }),

  /**
   * Runs the server's side. Answers 'ready' at once, and with the figures when everything has
   * arrived.
   */
  async serve({ workload, ...task }) {
    const counter = new MessageCounter();
    const stopwatch = await makeStopwatch();
    let accepted = 0;
    let missing = workloads[workload].expected(task).connections;
    const served = new Promise((resolve, reject) => {
      // The workload starts in the same tick: a connection may bring its first message with it.
      accept = async (connection) => {
        const isFirst = accepted === 0;
        accepted += 1;
        try {
          await workloads[workload].serve(contestant, connection, { ...task, isFirst }, counter, stopwatch);
          missing -= 1;
          if (missing === 0) resolve();
        } catch (error) {
          reject(error);
        }
      };
    });
    process.send({ result: 'ready' });
    await served;
    return { ...counter.result, ...stopwatch.result };
  },

  /** Runs the client's side, which measures the time. */
  async drive({ workload, ...task }) {
    const stopwatch = await makeStopwatch();
    const { connections, ...result } = await workloads[workload].drive(contestant, task, stopwatch);
    open.push(...connections);
    return { ...result, ...stopwatch.result };
  },

  /** Bytes of memory that this process holds after garbage collection. Needs `memoryFlags`. */
  async memory() {
    for (let i = 0; i < 4; i += 1) {
      globalThis.gc();
      await nextTurn();
    }
    return process.memoryUsage.rss();
  },

  /** Comes when both sides have everything. */
  async close() {
    await Promise.all(open.map((connection) => contestant.close(connection)));
    open = [];
  },
};

async function makeStopwatch() {
  if (profileFile === undefined) return new Stopwatch();
  const { ProfilingStopwatch } = await import('./profiling-stopwatch.js');
  return new ProfilingStopwatch(profileFile);
}

process.on('message', (command) => void run(command));
process.on('disconnect', () => process.exit());

async function run({ name, argument }) {
  try {
    process.send({ result: await commands[name](argument) });
  } catch (error) {
    process.send({ error: String(error?.message ?? error), stack: error?.stack });
  }
}
