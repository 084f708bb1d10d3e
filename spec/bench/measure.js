import { Pair } from './pair.js';
import { median, quantile, shuffled } from './statistics.js';

/**
 * Measures one work: every repetition runs each contestant once, in random order, and a ratio is taken inside a
 * repetition, so that what else the machine does hits both sides of it.
 *
 * @returns a row for each contestant.
 */
export async function measure(name, work, contestants, { repeat, target, count, execArgv }) {
  const lanes = [];
  try {
    for (const contestant of contestants) {
      const pair = new Pair(contestant, execArgv);
      lanes.push({ contestant, pair, count: count ?? 0, samples: [] });
      await pair.start();
    }
    // Twice round: the machine itself is slower at first, and that must not fall to whoever comes first.
    for (let round = 0; count === undefined && round < 2; round += 1) {
      for (const lane of lanes) lane.count = await warmUp(lane.pair, work, target);
    }
    for (let i = 0; i < repeat; i += 1) {
      for (const lane of shuffled(lanes)) lane.samples.push(await lane.pair.run(work, lane.count));
    }
  } finally {
    await Promise.all(lanes.map(({ pair }) => pair.stop()));
  }
  return lanes.map((lane) => row(name, work, lane, lanes));
}

/** Lets the compiler see the code, long enough to finish with it, and finds how many messages fill the target time. */
async function warmUp(pair, work, target) {
  let count = work.size > 100_000 ? 16 : 256;
  let warm = 0;
  let fastest = 0;
  while (warm < 2.5 * target) {
    const { seconds } = await pair.run(work, count);
    // The fastest: a run that something else delayed must not make all that follow too short.
    fastest = Math.max(fastest, count / seconds);
    count = Math.min(count * 4, Math.ceil(fastest * target));
    if (seconds > target / 4) warm += seconds;
  }
  return count;
}

function row(name, work, { contestant, samples }, lanes) {
  const speeds = samples.map(speed);
  const goal = work.goals[contestant.name] ?? { baseline: contestant.baseline };
  const baseline = lanes.find((lane) => lane.contestant.name === goal.baseline);
  const ratios = baseline ? speeds.map((each, i) => each / speed(baseline.samples[i])) : [];
  return {
    work: name,
    contestant: contestant.name,
    unit: work.unit,
    size: work.size,
    messagesPerSecond: median(speeds),
    clientCpu: median(samples.map((sample) => sample.clientCpu)),
    serverCpu: median(samples.map((sample) => sample.serverCpu)),
    baseline: goal.baseline,
    goal: goal.ratio,
    ratio: baseline && median(ratios),
    ratioLow: baseline && quantile(ratios, 0.25),
    ratioHigh: baseline && quantile(ratios, 0.75),
    messages: samples.reduce((sum, sample) => sum + sample.count, 0),
  };
}

const speed = ({ count, seconds }) => count / seconds;
