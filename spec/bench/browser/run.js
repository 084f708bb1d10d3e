// Measures k4net in a page, and over WebSockets and ports in Node, beside the bare carriers.
//
//     npm run bench:browser
//     npm run bench:browser -- --repeat 5 --only page,64B   fewer repetitions; places and works
//     npm run bench:browser -- --versus DIR                 also another build (its dist folder)
//     npm run bench:browser -- --docs                       write the table to docs/performance.md
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { findChromium, openPlace, startChromium } from '../../browser/chromium.js';
import { startSite } from '../../browser/site.js';
import { machine } from '../options.js';
import { median, quantile } from '../statistics.js';
import { markdownTable, replaceFigures, textTable } from '../table.js';
import { makeClient } from './client.js';
import { figures, goalOf, places } from './goals.js';

const { values: options } = parseArgs({
  options: {
    repeat: { type: 'string', default: '11' },
    target: { type: 'string', default: '120' },
    only: { type: 'string', default: '' },
    versus: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
});
const [repeat, target] = [Number(options.repeat), Number(options.target)];
const only = options.only.split(',').filter((name) => name !== '');
const select = (table) => {
  const named = Object.entries(table).filter(
    ([name]) => only.includes(name) || only.includes(name.split(' ')[0]),
  );
  return named.length > 0 ? named : Object.entries(table);
};

const builds = { k4net: new URL('../../../dist/', import.meta.url).href };
if (options.versus) builds.other = pathToFileURL(`${resolve(options.versus)}/`).href;

/** Everything that is measured at a place: each kind with each build, and the bare carrier. */
function contestantsAt({ carrier, kinds }) {
  const own = kinds.flatMap((kind) => Object.keys(builds).map((build) => ({ carrier, kind, build })));
  return [{ carrier, kind: 'bare', build: '' }, ...own];
}

function shuffled(values) {
  return values
    .map((value) => ({ value, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}

/** Times of one message in milliseconds: for each contestant one of each repetition. */
async function measure(run, contestants, round) {
  const counts = new Map();
  for (const contestant of contestants) {
    // Warms the code up, and finds how many messages take the target time.
    let [count, time] = [round[1] > 100_000 ? 4 : 64, 0];
    while ((time = await run(contestant, round, count)) < target / 2) count *= 2;
    counts.set(contestant, Math.max(1, Math.round((count * target) / time)));
  }
  const times = new Map(contestants.map((contestant) => [contestant, []]));
  for (let n = 0; n < repeat; n += 1)
    for (const contestant of shuffled(contestants)) {
      const count = counts.get(contestant);
      times.get(contestant).push((await run(contestant, round, count)) / count);
    }
  return times;
}

/** A line for each comparison: of each kind with the bare carrier, and of the two builds. */
function linesOf(place, work, { round, show, isTime }, times) {
  const [bare, ...own] = [...times.keys()];
  const line = (contestant, other, otherName, goal) => {
    const [mine, theirs] = [times.get(contestant), times.get(other)];
    const ratios = mine.map((time, n) => (isTime ? time / theirs[n] : theirs[n] / time));
    const ratio = median(ratios);
    const met = goal === undefined ? '' : (isTime ? ratio <= goal : ratio >= goal) ? 'met' : 'MISSED';
    return [
      places[place].title,
      work,
      contestant.kind,
      show(median(mine), round[1]),
      otherName,
      show(median(theirs), round[1]),
      `${ratio.toFixed(2)} [${quantile(ratios, 0.25).toFixed(2)} ${quantile(ratios, 0.75).toFixed(2)}]`,
      goal === undefined ? '' : `${isTime ? '<=' : '>='} ${goal.toFixed(2)}`,
      met,
    ];
  };
  return own.map((contestant) => {
    if (contestant.build === 'k4net')
      return line(contestant, bare, 'bare', goalOf(work, place, contestant.kind));
    const first = own.find(({ kind, build }) => kind === contestant.kind && build === 'k4net');
    return line(first, contestant, 'other build');
  });
}

async function main() {
  if (!findChromium()) throw new Error('no Chromium; install it or set CHROMIUM');
  const server = fork(fileURLToPath(new URL('server.js', import.meta.url)));
  server.send(builds);
  const [address] = await once(server, 'message');
  const webFolder = (folder) => fileURLToPath(new URL('web/', folder));
  const site = await startSite({
    '/bench/': fileURLToPath(new URL('.', import.meta.url)),
    ...Object.fromEntries(Object.entries(builds).map(([name, folder]) => [`/${name}/`, webFolder(folder)])),
  });
  const chromium = await startChromium();
  const page = await openPlace(await chromium.newContext(), site.origin, '/bench/page.js');
  const here = makeClient({
    WebSocket,
    library: (build) => import(new URL('index.js', builds[build]).href),
    startWorker(build) {
      const workerData = build === undefined ? null : builds[build];
      return new Worker(new URL('node-worker.js', import.meta.url), { workerData });
    },
  });
  const runs = {
    page: (...args) => page.evaluate((given) => globalThis.client.run(...given), args),
    node: (...args) => here.run(...args),
  };
  const lines = [];
  const load = [loadavg()[0]];
  for (const [place, setting] of select(places))
    for (const [work, figure] of select(figures)) {
      const run = (contestant, round, count) => runs[setting.in](contestant, address, round, count);
      const times = await measure(run, contestantsAt(setting), figure.round);
      lines.push(...linesOf(place, work, figure, times));
      console.error(`${place} ${work} done`);
    }
  load.push(loadavg()[0]);
  const version = await page.evaluate(() => /Chrom\w*\/[\d]+/.exec(navigator.userAgent)?.[0]);
  await chromium.close();
  await site.close();

  const titles = ['place', 'work', 'k4net', 'median', 'compared with', 'median', 'ratio', 'goal', ''];
  const { node, platform, cores, date } = machine();
  const about =
    `Node ${node}, ${version}, ${platform}, ${cores} cores, ${date.slice(0, 10)}. ` +
    `Load: ${load.map((each) => each.toFixed(1)).join(' before, ')} after.`;
  console.log(`${textTable(titles, lines)}\n\n${about}`);
  if (options.docs) {
    const file = new URL('../../../docs/performance.md', import.meta.url);
    const tables = `${about}\n\n${markdownTable(titles, lines)}`;
    writeFileSync(file, replaceFigures(readFileSync(file, 'utf8'), tables, 'browser figures'));
  }
  // Ends the sockets and workers of the rounds too.
  server.disconnect();
  process.exit();
}

await main();
