const columns = [
  ['work', (row) => row.work],
  ['contestant', (row) => row.contestant],
  ['speed', speed],
  ['client CPU/msg', (row) => microseconds(row.clientCpu)],
  ['server CPU/msg', (row) => microseconds(row.serverCpu)],
  ['ratio', (row) => (row.ratio === undefined ? '' : row.ratio.toFixed(2))],
  [
    'quartiles',
    (row) => (row.ratio === undefined ? '' : `${row.ratioLow.toFixed(2)}-${row.ratioHigh.toFixed(2)}`),
  ],
  ['of', (row) => (row.ratio === undefined ? '' : row.baseline)],
  ['goal', (row) => row.goal?.toFixed(2) ?? ''],
  ['', verdict],
  ['checked', (row) => `${row.messages} msg ok`],
];

/** Rows as plain text. */
export function table(rows) {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, show]) => show(row)))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  return cells
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function speed({ unit, size, messagesPerSecond }) {
  if (unit === 'time') return microseconds(1 / messagesPerSecond);
  if (unit === 'bytes') return `${((messagesPerSecond * size) / 1e6).toFixed(0)} MB/s`;
  return `${(messagesPerSecond / 1e3).toFixed(0)} k/s`;
}

function verdict({ goal, ratio }) {
  if (goal === undefined || ratio === undefined) return '';
  return ratio >= goal ? 'reached' : 'missed';
}

function microseconds(seconds) {
  const value = seconds * 1e6;
  return `${value.toFixed(value < 10 ? 3 : 0)} us`;
}
