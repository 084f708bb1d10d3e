import { weighable } from './memory.js';
import { units } from './units.js';

/** What else the machine does only makes laps longer, so the fastest of a few are compared, with this much to spare. */
const tolerance = 1.25;
const openFiles = Number(process.report.getReport().userLimits.open_files.soft) || Infinity;

/**
 * Whether the cost of a socket stays what it was: each trial answers with yes or no and the figures behind it.
 *
 * @typedef {(execArgv?: readonly string[]) => Promise<import('./pair.js').Pair>} Start - starts the two processes.
 * @type {Record<string, (start: Start, count?: number) => Promise<{ good: boolean, figures: string }>>}
 */
export const trials = {
  /** The millionth message costs what the first did. */
  async age(start, count = 100_000) {
    const pair = await start();
    const work = { kind: 'laps', size: 64, laps: 10, runners: 1, slowReader: false };
    // A young connection in processes that have seen the code before.
    await pair.run({ ...work, laps: 2 }, count);
    const { laps } = await pair.run(work, count);
    const ratio = Math.min(...laps.slice(-3)) / Math.min(...laps.slice(0, 3));
    const times = laps.map((lap) => (lap * 1e3).toFixed(0)).join(' ');
    return {
      good: ratio <= tolerance,
      figures: `the last of ${10 * count} messages took ${ratio.toFixed(2)} of the time of the first (ms a tenth: ${times})`,
    };
  },

  /** One that does not read is no burden to the others. */
  async crowd(start, count = 100) {
    const runners = Math.min(999, openFiles - 100);
    const work = { kind: 'laps', size: 1024, laps: 14, runners, slowReader: true };
    const pair = await start();
    const { laps } = await pair.run(work, count);
    // The first laps are for the compiler.
    const without = Math.min(...laps.slice(2, 7));
    const beside = Math.min(...laps.slice(7));
    const rate = (seconds) => units.rate.show((runners * count) / seconds);
    return {
      good: beside / without <= tolerance,
      figures: `${runners} connections got ${rate(without)}, and ${rate(beside)} beside one that does not read`,
    };
  },

  /** Ten thousand connections in one process stay open and all still answer. */
  async idle(start, count = 10_000) {
    const possible = Math.min(count, openFiles - 100);
    const pair = await start(weighable);
    const { bytes } = await pair.weigh({ kind: 'idle', size: 64 }, possible);
    const limited = possible < count ? ` (ulimit -n is ${openFiles}: not ${count})` : '';
    return {
      good: true,
      figures: `${possible} connections of one process${limited} answered after a rest, ${units.memory.show(bytes)} each`,
    };
  },
};
