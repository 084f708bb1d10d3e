import { isEncrypted, isOwn } from './contestants.js';
import { units } from './units.js';
import { works } from './works.js';

const margin = 24;
const panelWidth = 500;
const nameWidth = 180;
const figureWidth = 90;
const barWidth = panelWidth - nameWidth - figureWidth;
const barHeight = 14;
const rowHeight = 20;
const titleHeight = 44;
const head = 76;
const width = 2 * panelWidth + 3 * margin;

// The colours follow the light or dark setting of the reader.
const style = `
  svg { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; font-size: 12px; }
  .title { font-weight: 600; font-size: 14px; }
  .own { font-weight: 600; }
  .page { fill: #ffffff; }
  text { fill: #1f2328; }
  .faint { fill: #59636e; }
  .plain { fill: #c3cad3; }
  .encrypted { fill: #8c959f; }
  .own-plain { fill: #54aeff; }
  .own-encrypted { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #e6edf3; }
    .faint { fill: #9198a1; }
    .plain { fill: #3d444d; }
    .encrypted { fill: #656c76; }
    .own-plain { fill: #79c0ff; }
    .own-encrypted { fill: #1f6feb; }
  }`;

const legend = [
  ['own-plain', 'k4net'],
  ['own-encrypted', 'k4net, encrypted'],
  ['plain', 'others'],
  ['encrypted', 'others, encrypted'],
];

/** The rows as an SVG file: a panel for each figure, a bar for each contestant, the best first. */
export function chart(rows, { node, platform, cores, date }) {
  const figures = Object.entries(works).flatMap(([work, { figures }]) =>
    Object.keys(figures)
      .map((unit) => rows.filter((row) => row.work === work && row.unit === unit))
      .filter((own) => own.length > 0),
  );
  const columns = [head, head];
  const panels = figures.map((own) => {
    const column = columns[1] < columns[0] ? 1 : 0;
    const top = columns[column];
    columns[column] += titleHeight + own.length * rowHeight;
    return panel(own, margin + column * (panelWidth + margin), top);
  });
  const height = Math.max(...columns) + margin;
  const title = 'Client and server as two processes on one machine';
  const facts = `Medians of one run. Node ${node}, ${platform}, ${cores} cores, ${date.slice(0, 10)}.`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${title}</title>
<style>${style}
</style>
<rect class="page" width="100%" height="100%" rx="8"/>
<text class="title" x="${margin}" y="32">${title}</text>
<text class="faint" x="${margin}" y="52">${escaped(facts)}</text>
${legend.map(legendItem).join('\n')}
${panels.join('\n')}
</svg>
`;
}

function legendItem([colour, text], i) {
  const x = margin + i * 150;
  return `<rect class="${colour}" x="${x}" y="64" width="12" height="12" rx="2"/><text x="${x + 18}" y="74">${text}</text>`;
}

function panel(rows, x, y) {
  const [{ work, unit }] = rows;
  const { better, label, show } = units[unit];
  const title = [works[work].title, label].filter(Boolean).join(': ');
  const longest = Math.max(...rows.map(({ value }) => value));
  const bars = rows.map((row, i) => bar(row, show(row.value), longest, i));
  return `<g transform="translate(${x} ${y})">
<text class="title" y="32">${escaped(title)}</text>
<text class="faint" x="${panelWidth}" y="32" text-anchor="end">${better} is better</text>
${bars.join('\n')}
</g>`;
}

function bar({ contestant, value }, figure, longest, i) {
  const top = titleHeight + i * rowHeight;
  const line = top + barHeight - 3;
  const length = longest > 0 ? Math.max(2, (value / longest) * barWidth) : 2;
  const own = isOwn(contestant);
  const colour = `${own ? 'own-' : ''}${isEncrypted(contestant) ? 'encrypted' : 'plain'}`;
  const weight = own ? ' class="own"' : '';
  return `<text${weight} x="${nameWidth - 8}" y="${line}" text-anchor="end">${escaped(contestant)}</text>
<rect class="${colour}" x="${nameWidth}" y="${top}" width="${length.toFixed(1)}" height="${barHeight}" rx="2"/>
<text${weight} x="${(nameWidth + length + 6).toFixed(1)}" y="${line}">${escaped(figure)}</text>`;
}

function escaped(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
