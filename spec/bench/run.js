// Measures the sockets of k4net beside other ways to do the same work. Client and server are two
// processes on loopback. `--help` shows the options.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chart } from './chart.js';
import { checkContestants, findContestants } from './contestants.js';
import { checkEndurance } from './endurance.js';
import { measure } from './measure.js';
import { help, machine, readOptions } from './options.js';
import { ProcessPool } from './process-pair.js';
import { writeProfiles } from './profile.js';
import { comparisonsTable, figuresTable, markdownTables, replaceFigures } from './table.js';
import { works } from './works.js';

const folder = new URL('./contestants/', import.meta.url);

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    console.log(help);
    return;
  }
  if (options.from) {
    print(JSON.parse(readFileSync(options.from, 'utf8')), options);
    return;
  }
  if (!existsSync(fileURLToPath(new URL('../../dist/index.js', import.meta.url))))
    throw new Error('there is no build yet: npm run build');
  const found = findContestants(folder, options.otherBuild);
  const known = [...Object.keys(works), ...found.map(({ name }) => name)];
  const unknown = options.only.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new RangeError(`--only: no work or contestant is named ${unknown.join(', ')}`);
  const wanted = select(
    found.map(({ name }) => name),
    options.only,
  );
  const { present, missing } = await checkContestants(
    found.filter(({ name, versus }) => wanted.includes(name) || wanted.includes(versus)),
  );
  const absent = missing.map(({ name, reason }) => `LEFT OUT  ${name}: ${reason}`);
  for (const line of absent) console.error(line);
  if (options.endurance) await checkEndurance(present, options);
  else if (options.profile) await writeProfiles(options.profile, present, options);
  else print(await measureAll(present, missing, options), options);
  // Repeated at the end, where a long run does not hide it.
  for (const line of absent) console.log(line);
}

/** Keeps the names that `--only` has. If it has none of them, all stay. */
function select(names, only) {
  const named = names.filter((name) => only.includes(name));
  return named.length > 0 ? named : names;
}

async function measureAll(contestants, missing, options) {
  const report = { machine: machine(), missing, failures: [], rows: [] };
  const pool = new ProcessPool({ keepBetweenWorks: options.quick });
  try {
    for (const name of select(Object.keys(works), options.only)) {
      const { rows, failures } = await measure(name, works[name], contestants, { ...options, pool });
      report.rows.push(...rows);
      report.failures.push(...failures);
      await pool.endOfWork();
      console.error(`${name} done`);
      // After each work, so that an interrupted run has figures too.
      if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  } finally {
    await pool.stop();
  }
  return report;
}

function print({ machine: facts, rows, failures }, { svg, markdown, docs }) {
  console.log(
    markdown ? markdownTables(rows, facts) : `${figuresTable(rows)}\n\n${comparisonsTable(rows)}\n`,
  );
  for (const { work, contestant, reason } of failures)
    console.log(`FAILED  ${work}  ${contestant}: ${reason}`);
  if (failures.length > 0) process.exitCode = 1;
  if (svg) writeFileSync(svg, chart(rows, facts));
  if (docs) writeDocs(rows, facts);
}

/** The marks in docs/performance.md around the figures of a section. All others have the same. */
const marks = { streams: 'streaming figures', nats: 'figures over NATS' };

function writeDocs(rows, facts) {
  const page = new URL('../../docs/performance.md', import.meta.url);
  const marksOf = ({ work }) => marks[works[work].section] ?? 'figures';
  let text = readFileSync(page, 'utf8');
  for (const name of new Set(rows.map(marksOf))) {
    const own = rows.filter((row) => marksOf(row) === name);
    text = replaceFigures(text, markdownTables(own, facts), name);
    if (name === 'figures') writeFileSync(new URL('performance.svg', page), chart(own, facts));
  }
  writeFileSync(page, text);
}

await main();
