import { median, quantile } from './statistics.js';
import { timed } from './timed.js';
import { units } from './units.js';
import { weighed } from './weighed.js';
import { beside } from './works.js';

/** Measures one work; returns a row for each contestant, the best one first, and what failed. */
export async function measure(name, work, contestants, settings) {
  const take = work.unit === 'memory' ? weighed : timed;
  const unit = units[work.unit];
  const all = await take(work, contestants, settings);
  const lanes = all.filter(({ failure }) => failure === undefined);
  for (const lane of lanes) lane.values = lane.samples.map((sample) => unit.of(sample, work.size));
  const rows = lanes.map((lane) => row(name, work, lane, lanes));
  return {
    rows: rows.sort((a, b) => (unit.better === 'lower' ? a.value - b.value : b.value - a.value)),
    failures: all
      .filter(({ failure }) => failure !== undefined)
      .map(({ contestant, failure }) => ({ work: name, contestant: contestant.name, reason: failure })),
  };
}

function row(name, work, { contestant, samples, values }, lanes) {
  const cpu = (side) => (side in samples[0] ? median(samples.map((sample) => sample[side])) : undefined);
  const figures = summary(values);
  const most = work.most?.[contestant.name];
  return {
    work: name,
    contestant: contestant.name,
    unit: work.unit,
    ...figures,
    clientCpu: cpu('clientCpu'),
    serverCpu: cpu('serverCpu'),
    messages: samples.reduce((sum, sample) => sum + sample.count, 0),
    most: most === undefined ? undefined : { goal: most, met: figures.value <= most },
    comparisons: comparisons(work, contestant, values, lanes),
  };
}

/**
 * A ratio is taken inside a repetition, so that what else the machine does hits both sides of it, and the median is
 * taken of the ratios.
 */
function comparisons(work, { name, versus }, values, lanes) {
  const goals = work.goals[name] ?? {};
  const baselines = versus === undefined ? (beside[name] ?? []) : [versus];
  return baselines.flatMap((baseline) => {
    const other = lanes.find((lane) => lane.contestant.name === baseline);
    if (other === undefined) return [];
    const ratio = summary(values.map((value, i) => value / other.values[i]));
    const goal = goals[baseline];
    return [{ baseline, ...ratio, goal, met: goal === undefined ? undefined : reaches(work, ratio, goal) }];
  });
}

function reaches(work, { value }, goal) {
  return units[work.unit].better === 'lower' ? value <= goal : value >= goal;
}

function summary(values) {
  return { value: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}
