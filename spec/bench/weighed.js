import { weighable } from './memory.js';
import { Pair } from './pair.js';
import { shuffled } from './statistics.js';

/**
 * Samples of the memory of connections. Each is taken of new processes: what an earlier one has freed would be used
 * again and be missing in the sum.
 */
export async function weighed(work, contestants, { weighings, connections, execArgv }) {
  const lanes = contestants.map((contestant) => ({ contestant, samples: [] }));
  for (let i = 0; i < weighings; i += 1) {
    for (const lane of shuffled(lanes)) {
      if (lane.failure !== undefined) continue;
      const pair = new Pair(lane.contestant, [...execArgv, ...weighable]);
      try {
        await pair.start();
        lane.samples.push(await pair.weigh(work, connections));
      } catch (error) {
        lane.failure = error.message;
      } finally {
        await pair.stop();
      }
    }
  }
  return lanes;
}
