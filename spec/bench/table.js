import { inOtherBuild } from './contestants.js';
import { natsBaselines } from './nats-works.js';
import { microseconds, units } from './units.js';
import { works } from './works.js';

/** Comparisons that the docs page shows beside those with a goal. */
const shownInDocs = {
  LockedSocket: ['net', 'ws'],
  EncryptedSocket: ['tls', 'wss'],
  ...natsBaselines,
  k4net: ['ws', 'socket.io', 'grpc'],
  'QueueSocket-items': ['QueueSocket'],
  'QueueSocket-items-encrypted': ['QueueSocket-encrypted'],
  'QueueSocket-typed-items': ['QueueSocket-items'],
  'QueueSocket-typed-items-encrypted': ['QueueSocket-items-encrypted'],
  'QueueSocket-upload': ['QueueSocket'],
  'QueueSocket-upload-encrypted': ['QueueSocket-encrypted'],
  'QueueSocket-beside-upload': ['QueueSocket'],
  'QueueSocket-beside-upload-encrypted': ['QueueSocket-encrypted'],
};
const sections = {
  latency: 'One message at a time',
  throughput: 'Throughput',
  streams: 'Items beside messages, and calls beside an upload',
  connections: 'Connections and memory',
  nats: 'Over NATS',
};

/** All figures, as plain text. */
export function figuresTable(rows) {
  return textTable(
    [
      'work',
      'figure',
      'contestant',
      'median',
      'quartiles',
      'p50',
      'p99',
      'client CPU/msg',
      'server CPU/msg',
      'checked',
    ],
    rows.map((row) => {
      const { label = '', show } = units[row.unit];
      const times = [row.p50, row.p99, row.clientCpu, row.serverCpu].map((seconds) =>
        seconds === undefined ? '' : microseconds(seconds),
      );
      const quartiles = `${show(row.low).split(' ')[0]} - ${show(row.high)}`;
      return [
        row.work,
        label,
        row.contestant,
        show(row.value),
        quartiles,
        ...times,
        `${row.messages} msg ok`,
      ];
    }),
  );
}

/** The comparisons of k4net with others, as plain text. */
export function comparisonsTable(rows) {
  return textTable(
    ['work', 'figure', 'contestant', 'median', 'of', 'median', 'ratio', 'quartiles', 'goal', ''],
    rows.flatMap(comparisonLines),
  );
}

/**
 * The same as Markdown: a table for each section of docs/performance.md. Quartiles are in brackets.
 */
export function markdownTables(rows, { node, platform, cores, date }) {
  const parts = [`Node ${node}, ${platform}, ${cores} cores, ${date.slice(0, 10)}.`];
  for (const [section, title] of Object.entries(sections)) {
    const lines = rows
      .filter(({ work }) => works[work].section === section)
      .map((row) => ({ ...row, comparisons: row.comparisons.filter((each) => inDocs(row, each)) }))
      .flatMap(comparisonLines);
    if (lines.length === 0) continue;
    parts.push(
      `### ${title}`,
      markdownTable(
        ['work', 'k4net', 'median', 'compared with', 'median', 'ratio', 'goal', ''],
        lines.map(([work, label, name, own, baseline, other, ratio, quartiles, goal, verdict]) => [
          `${work} ${label}`.trim(),
          name,
          own,
          baseline,
          other,
          `${ratio} ${quartiles}`.trim(),
          goal,
          verdict,
        ]),
      ),
    );
  }
  return parts.join('\n\n');
}

function inDocs({ contestant }, { baseline, goal }) {
  if (goal !== undefined || baseline === inOtherBuild(contestant)) return true;
  return shownInDocs[contestant]?.includes(baseline) ?? false;
}

/** Puts the tables between the two marks of a page that have this name. */
export function replaceFigures(page, tables, name = 'figures') {
  const parts = page.split(new RegExp(`(<!-- ${name} -->|<!-- end of ${name} -->)`));
  if (parts.length !== 5) throw new Error('the page has no marks around its figures');
  return [parts[0], parts[1], `\n\n${tables}\n\n`, parts[3], parts[4]].join('');
}

function comparisonLines({ work, contestant, unit, value, max, comparisons }) {
  const { better, label = '', show } = units[unit];
  const sign = better === 'lower' ? '<=' : '>=';
  const lines = comparisons.map(({ baseline, other, value: ratio, low, high, goal, met }) => [
    work,
    label,
    contestant,
    show(value),
    baseline,
    show(other),
    ratio.toFixed(2),
    `[${low.toFixed(2)} ${high.toFixed(2)}]`,
    goal === undefined ? '' : `${sign} ${goal.toFixed(2)}`,
    verdictOf(met),
  ]);
  if (max !== undefined)
    lines.push([
      work,
      label,
      contestant,
      show(value),
      '',
      '',
      '',
      '',
      `${sign} ${show(max.goal)}`,
      verdictOf(max.met),
    ]);
  return lines;
}

function verdictOf(met) {
  if (met === undefined) return '';
  return met ? 'met' : 'MISSED';
}

export function textTable(titles, lines) {
  return padded([titles, ...lines])
    .map((cells) => cells.join('  ').trimEnd())
    .join('\n');
}

export function markdownTable(titles, lines) {
  const [head, ...body] = padded([titles, ...lines]);
  const rule = head.map((cell) => '-'.repeat(cell.length));
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Pads the cells of each column to the same width. */
function padded(lines) {
  const widths = lines[0].map((_, i) => Math.max(3, ...lines.map((line) => line[i].length)));
  return lines.map((line) => line.map((cell, i) => cell.padEnd(widths[i])));
}
