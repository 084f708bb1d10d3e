import { inOtherBuild, takesPart } from './contestants.js';
import { samplers } from './sampling.js';
import { median, quantile } from './statistics.js';
import { units } from './units.js';
import { baselines } from './works.js';

/**
 * Measures one work. Returns a row for each figure and contestant, the best one first, and the
 * failures.
 */
export async function measure(name, work, contestants, settings) {
  const repeat = Math.min(settings.repeat, work.maxRepeat ?? Infinity);
  const takingPart = contestants.filter((contestant) => takesPart(contestant, work));
  const all = await samplers[work.sampling](work, takingPart, { ...settings, repeat });
  const series = all.filter(({ failure }) => failure === undefined);
  return {
    rows: Object.entries(work.figures).flatMap(([unit, goals]) =>
      rowsOf({ name, size: work.size, unit, goals }, series),
    ),
    failures: all
      .filter(({ failure }) => failure !== undefined)
      .map(({ contestant, failure }) => ({ work: name, contestant: contestant.name, reason: failure })),
  };
}

function rowsOf(figure, series) {
  const { better, of } = units[figure.unit];
  const values = new Map(
    series.map(({ contestant, samples }) => [
      contestant.name,
      samples.map((sample) => of(sample, figure.size)),
    ]),
  );
  return series
    .map((each) => rowOf(figure, each, values))
    .sort((a, b) => (better === 'lower' ? a.value - b.value : b.value - a.value));
}

function rowOf({ name, unit, goals }, { contestant, samples }, values) {
  const medianOf = (key) => (key in samples[0] ? median(samples.map((sample) => sample[key])) : undefined);
  const figures = summary(values.get(contestant.name));
  const goal = goals[contestant.name];
  return {
    work: name,
    contestant: contestant.name,
    unit,
    ...figures,
    clientCpu: medianOf('clientCpu'),
    serverCpu: medianOf('serverCpu'),
    p50: medianOf('p50'),
    p99: medianOf('p99'),
    first1000: medianOf('first1000'),
    messages: samples.reduce((sum, { count }) => sum + count, 0),
    max: typeof goal === 'number' ? { goal, met: figures.value <= goal } : undefined,
    comparisons: comparisons(contestant.name, unit, typeof goal === 'object' ? goal : {}, values),
  };
}

/**
 * Ratios to the baselines of a contestant. A ratio is taken inside a repetition, so that other load
 * on the machine affects both sides of it; the result is the median of the ratios.
 */
function comparisons(name, unit, goals, values) {
  return [...(baselines[name] ?? []), inOtherBuild(name)]
    .filter((baseline) => values.has(baseline))
    .map((baseline) => {
      const others = values.get(baseline);
      const ratio = summary(values.get(name).map((value, i) => value / others[i]));
      const goal = goals[baseline];
      return {
        baseline,
        other: median(others),
        ...ratio,
        goal,
        met: goal === undefined ? undefined : reaches(unit, ratio, goal),
      };
    });
}

function reaches(unit, { value }, goal) {
  return units[unit].better === 'lower' ? value <= goal : value >= goal;
}

function summary(values) {
  return { value: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}
