import { isOwn, takesPart } from './contestants.js';
import { ProcessPair } from './process-pair.js';
import { memoryFlags } from './sampling.js';
import { units } from './units.js';

/**
 * Other load on the machine only makes rounds longer, so the fastest rounds are compared, with this
 * tolerance.
 */
const tolerance = 1.25;
const openFiles = Number(process.report.getReport().userLimits.open_files.soft) || Infinity;

/**
 * Checks that the cost of a socket stays the same.
 *
 * @typedef {(execArgv?: readonly string[]) => Promise<ProcessPair>} Start - starts the two
 *   processes.
 * @type {Record<string, (start: Start, count?: number) => Promise<{ good: boolean, figures: string
 *   }>>}
 */
const checks = {
  /** The millionth message of a connection takes as long as the first. */
  async age(start, count = 100_000) {
    const pair = await start();
    const work = { workload: 'rounds', size: 64, rounds: 10, connections: 1, slowReader: false };
    // The first run compiles the code, so that the second one measures only the connection.
    await pair.run({ ...work, rounds: 2 }, count);
    const { rounds } = await pair.run(work, count);
    const ratio = Math.min(...rounds.slice(-3)) / Math.min(...rounds.slice(0, 3));
    const times = rounds.map((seconds) => (seconds * 1e3).toFixed(0)).join(' ');
    return {
      good: ratio <= tolerance,
      figures:
        `the last of ${10 * count} messages took ${ratio.toFixed(2)} of the time of the first ` +
        `(ms for each tenth: ${times})`,
    };
  },

  /** A connection whose peer does not read does not slow down the others. */
  async 'slow-reader'(start, count = 100) {
    const connections = Math.min(999, openFiles - 100);
    const work = { workload: 'rounds', size: 1024, rounds: 14, connections, slowReader: true };
    const pair = await start();
    const { rounds } = await pair.run(work, count);
    // The first rounds compile the code.
    const without = Math.min(...rounds.slice(2, 7));
    const beside = Math.min(...rounds.slice(7));
    const rate = (seconds) => units.rate.show((connections * count) / seconds);
    return {
      good: beside / without <= tolerance,
      figures: `${connections} connections got ${rate(without)}, and ${rate(beside)} beside one that does not read`,
    };
  },

  /** Ten thousand idle connections of one process stay open, and all still answer. */
  async idle(start, count = 10_000) {
    const possible = Math.min(count, openFiles - 100);
    const pair = await start(memoryFlags);
    const { bytes } = await pair.measureMemory({ size: 64 }, possible);
    const limited = possible < count ? ` (not ${count}: ulimit -n is ${openFiles})` : '';
    return {
      good: true,
      figures: `${possible} idle connections${limited} all answered, ${units.memory.show(bytes)} each`,
    };
  },
};

/**
 * Runs all checks on the sockets of k4net and prints the results. A failed check sets the exit code
 * to 1.
 */
export async function checkEndurance(contestants, { count }) {
  const own = contestants.filter((contestant) => isOwn(contestant.name) && takesPart(contestant, {}));
  for (const contestant of own) {
    for (const [name, check] of Object.entries(checks)) {
      const { good, figures } = await run(check, contestant, count);
      if (!good) process.exitCode = 1;
      console.log(`${good ? 'pass' : 'FAIL'}  ${name}  ${contestant.name}: ${figures}`);
    }
  }
}

async function run(check, contestant, count) {
  let pair;
  const start = async (execArgv = []) => {
    pair = new ProcessPair(contestant, execArgv);
    await pair.start();
    return pair;
  };
  try {
    return await check(start, count);
  } catch (error) {
    return { good: false, figures: error.message };
  } finally {
    await pair?.stop();
  }
}
