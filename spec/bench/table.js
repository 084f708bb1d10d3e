import { microseconds, units } from './units.js';

/** What was measured, as plain text. */
export function figuresTable(rows) {
  return table(
    ['work', 'contestant', 'median', 'quartiles', 'client CPU/msg', 'server CPU/msg', 'checked'],
    rows.map((row) => {
      const { show } = units[row.unit];
      const cpu = [row.clientCpu, row.serverCpu].map((each) =>
        each === undefined ? '' : microseconds(each),
      );
      const quartiles = `${show(row.low).split(' ')[0]} - ${show(row.high)}`;
      return [row.work, row.contestant, show(row.value), quartiles, ...cpu, `${row.messages} msg ok`];
    }),
  );
}

/** How the library compares, as plain text. Where less is better, so is a low ratio. */
export function comparisonsTable(rows) {
  return table(
    ['work', 'contestant', 'ratio', 'quartiles', 'of', 'goal', ''],
    rows.flatMap((row) => {
      const { better, show } = units[row.unit];
      const sign = better === 'lower' ? '<=' : '>=';
      const lines = row.comparisons.map(({ baseline, value, low, high, goal, met }) => [
        row.work,
        row.contestant,
        value.toFixed(2),
        `[${low.toFixed(2)} ${high.toFixed(2)}]`,
        baseline,
        goal === undefined ? '' : `${sign} ${goal.toFixed(2)}`,
        verdict(met),
      ]);
      if (row.most !== undefined)
        lines.push([
          row.work,
          row.contestant,
          '',
          '',
          show(row.value),
          `${sign} ${show(row.most.goal)}`,
          verdict(row.most.met),
        ]);
      return lines;
    }),
  );
}

function verdict(met) {
  if (met === undefined) return '';
  return met ? 'met' : 'MISSED';
}

function table(titles, lines) {
  const all = [titles, ...lines];
  const widths = titles.map((_, i) => Math.max(...all.map((line) => line[i].length)));
  return all
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
