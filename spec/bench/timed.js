import { shuffled } from './statistics.js';

/**
 * Samples of a work that takes time: every repetition runs each contestant once, in random order. A contestant that fails
 * has a failure instead, and the others go on.
 */
export async function timed(work, contestants, { repeat, target, count, pairs }) {
  const lanes = contestants.map((contestant) => ({ contestant, count: count ?? 0, samples: [] }));
  const each = async (order, step) => {
    for (const lane of order) {
      if (lane.failure !== undefined) continue;
      try {
        await step(lane, await pairs.take(lane.contestant));
      } catch (error) {
        lane.failure = error.message;
        await pairs.drop(lane.contestant);
      }
    }
  };
  await each(lanes, () => undefined);
  // Twice round: the machine itself is slower at first, and that must not fall to whoever comes first.
  for (let round = 0; count === undefined && round < 2; round += 1) {
    await each(lanes, async (lane, pair) => {
      lane.count = await warmUp(pair, work, target);
    });
  }
  for (let i = 0; i < repeat; i += 1) {
    await each(shuffled(lanes), async (lane, pair) => {
      lane.samples.push(await pair.run(work, lane.count));
    });
  }
  return lanes;
}

/** Messages, or handshakes, that the compiler has to have seen, however long they take. */
const enough = ({ kind, size }) => (kind === 'connections' ? 500 : size > 100_000 ? 0 : 2000);

/** Lets the compiler see the code, long enough to finish with it, and finds how many messages fill the target time. */
async function warmUp(pair, work, target) {
  const costly = work.kind === 'connections' || work.size > 100_000;
  let count = costly ? 16 : 256;
  let missing = enough(work);
  let warm = 0;
  let fastest = 0;
  while (warm < 2.5 * target || missing > 0) {
    const { seconds, clientCpu, serverCpu } = await pair.run(work, count);
    // Time that the busier process worked: on a machine that does other things too it is far less than the time that went by.
    if (seconds > target / 4) warm += count * Math.max(clientCpu, serverCpu);
    missing -= count;
    // The fastest: a run that something else delayed must not make all that follow too short.
    fastest = Math.max(fastest, count / seconds);
    count = Math.min(count * 4, Math.ceil(fastest * target));
  }
  return count;
}
