// Measures the sockets against other ways to do the same work: client and server as two processes over loopback.
// Every message and byte is counted where it arrives. `--help` shows the options.
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chart } from './chart.js';
import { findContestants, rollCall } from './contestants.js';
import { endurance } from './endurance.js';
import { measure } from './measure.js';
import { help, machine, readOptions } from './options.js';
import { Pairs } from './pairs.js';
import { comparisonsTable, figuresTable } from './table.js';
import { works } from './works.js';

const folder = new URL('./contestants/', import.meta.url);

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    console.log(help);
    return;
  }
  if (!existsSync(fileURLToPath(new URL('../../dist/index.js', import.meta.url))))
    throw new Error('there is no build yet: npm run build');
  const found = findContestants(folder, options.otherBuild);
  const known = [...Object.keys(works), ...found.map(({ name }) => name)];
  const unknown = options.only.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new RangeError(`--only knows no ${unknown.join(', ')}`);
  const wanted = chosen(
    found.map(({ name }) => name),
    options.only,
  );
  const { present, missing } = await rollCall(
    found.filter(({ name, versus }) => wanted.includes(name) || wanted.includes(versus)),
  );
  const absent = missing.map(({ name, reason }) => `LEFT OUT  ${name}: ${reason}`);
  for (const line of absent) console.error(line);
  if (options.endurance) await endurance(present, options);
  else report(await measureAll(present, options), missing, options);
  // Again where the eye is at the end.
  for (const line of absent) console.log(line);
}

/** Keeps what `--only` names; when it names none of a kind, all of that kind stay. */
function chosen(names, only) {
  const named = names.filter((name) => only.includes(name));
  return named.length > 0 ? named : names;
}

async function measureAll(contestants, options) {
  const rows = [];
  const failures = [];
  const pairs = new Pairs(options.execArgv, options.quick);
  try {
    for (const name of chosen(Object.keys(works), options.only)) {
      const measured = await measure(name, works[name], contestants, { ...options, pairs });
      rows.push(...measured.rows);
      failures.push(...measured.failures);
      await pairs.endOfWork();
      console.error(`${name} done`);
    }
  } finally {
    await pairs.stop();
  }
  return { rows, failures };
}

function report({ rows, failures }, missing, { json, svg }) {
  const facts = machine();
  console.log(`${figuresTable(rows)}\n\n${comparisonsTable(rows)}\n`);
  for (const { work, contestant, reason } of failures)
    console.log(`FAILED  ${work}  ${contestant}: ${reason}`);
  if (failures.length > 0) process.exitCode = 1;
  if (json) writeFileSync(json, `${JSON.stringify({ machine: facts, missing, failures, rows }, null, 2)}\n`);
  if (svg) writeFileSync(svg, chart(rows, facts));
}

await main();
