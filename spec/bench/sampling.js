import { sampleImports } from './import-time.js';
import { ProcessPair } from './process-pair.js';
import { shuffled } from './statistics.js';

/**
 * Options of Node for a process whose memory is measured. Without the second one the space for new
 * objects changes by more than a thousand connections need.
 */
export const memoryFlags = ['--expose-gc', '--max-semi-space-size=1'];

/**
 * How the samples of a work are taken. Each repetition runs every contestant once, in random order.
 * A contestant that fails gets a failure instead of samples, and the others continue.
 *
 * @typedef {{ contestant: object, samples: object[], failure?: string }} Series
 * @type {Record<string, (work: object, contestants: readonly object[], settings: object) =>
 *   Promise<Series[]>>}
 */
export const samplers = {
  pool: sampleInPool,
  fresh: sampleFresh,
  memory: sampleMemory,
  import: sampleImports,
};

/** Measures warm code: processes are used again for each repetition. */
async function sampleInPool(work, contestants, { repeat, target, count, pool }) {
  const series = newSeries(contestants).map((each) => ({ ...each, count: count ?? 0 }));
  const runAll = (order, step) =>
    runEach(order, async (each) => {
      try {
        await step(each, await pool.get(each.contestant));
      } catch (error) {
        await pool.remove(each.contestant);
        throw error;
      }
    });
  await runAll(series, () => undefined);
  // Two rounds: the machine itself is slower at first, and that must not fall on the first
  // contestant only.
  for (let round = 0; count === undefined && round < 2; round += 1) {
    await runAll(series, async (each, pair) => {
      each.count = await warmUp(pair, work, target);
    });
  }
  for (let i = 0; i < repeat; i += 1) {
    await runAll(shuffled(series), async (each, pair) => {
      each.samples.push(await pair.run(work, each.count));
    });
  }
  return series;
}

/** Measures cold code: both processes are new for each repetition, and there is no warm-up. */
function sampleFresh(work, contestants, { repeat, count = work.count }) {
  return sampleInNewProcesses(contestants, repeat, [], (pair) => pair.run(work, count));
}

/**
 * Measures memory. Processes are new, because memory that earlier connections freed would be used
 * again.
 */
function sampleMemory(work, contestants, { repeat, connections }) {
  return sampleInNewProcesses(contestants, repeat, memoryFlags, (pair) =>
    pair.measureMemory(work, connections),
  );
}

async function sampleInNewProcesses(contestants, repeat, execArgv, take) {
  const series = newSeries(contestants);
  for (let i = 0; i < repeat; i += 1) {
    await runEach(shuffled(series), async ({ contestant, samples }) => {
      const pair = new ProcessPair(contestant, execArgv);
      try {
        await pair.start();
        samples.push(await take(pair));
      } finally {
        await pair.stop();
      }
    });
  }
  return series;
}

function newSeries(contestants) {
  return contestants.map((contestant) => ({ contestant, samples: [] }));
}

async function runEach(order, step) {
  for (const each of order) {
    if (each.failure !== undefined) continue;
    try {
      await step(each);
    } catch (error) {
      each.failure = error.message;
    }
  }
}

/** Messages or handshakes after which the compiler has seen enough, however long they take. */
function minWarmUp({ workload, size }) {
  if (workload === 'connections') return 500;
  return size > 100_000 ? 0 : 2000;
}

/** Runs the code until it is compiled, and returns how many messages fill the target time. */
async function warmUp(pair, work, target) {
  const costly = work.workload === 'connections' || work.size > 100_000;
  let count = costly ? 16 : 256;
  let missing = minWarmUp(work);
  let warm = 0;
  let fastest = 0;
  while (warm < 2.5 * target || missing > 0) {
    const { seconds, clientCpu, serverCpu } = await pair.run(work, count);
    // CPU time of the busier process: on a machine with other work it is far less than the
    // wall-clock time.
    if (seconds > target / 4) warm += count * Math.max(clientCpu, serverCpu);
    missing -= count;
    // The fastest run: a run that the machine delayed must not make all later runs too short.
    fastest = Math.max(fastest, count / seconds);
    count = Math.min(count * 4, Math.ceil(fastest * target));
  }
  return count;
}
