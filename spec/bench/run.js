// Measures the sockets against other ways to do the same work: client and server as two processes over loopback.
// Every message and byte is counted where it arrives. `--help` shows the options.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { measure } from './measure.js';
import { table } from './table.js';
import { works } from './works.js';

const help = `usage: npm run bench -- [options]

  --only NAME,...    only works and contestants of these names (a baseline comes along when it is named)
  --repeat N         repetitions of each measurement (default 11)
  --target MS        time of one measurement (default 130)
  --count N          messages of one measurement instead of a time
  --json FILE        write the rows there too
  --versus DIR       another build of the library, measured beside this one
  --profile DIR      write CPU profiles of all processes there
`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    repeat: { type: 'string', default: '11' },
    target: { type: 'string', default: '130' },
    count: { type: 'string' },
    json: { type: 'string' },
    versus: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const folder = new URL('./contestants/', import.meta.url);

/** A contestant is a file: `listen`, `connect`, `close` and `roles`. It is compared with its goals, or `baseline`. */
function findContestants() {
  const names = readdirSync(folder).map((file) => file.replace(/\.js$/, ''));
  const found = names.map((name) => ({ name, baseline: 'net-batch', file: fileOf(name), environment: {} }));
  if (options.versus === undefined) return found;
  const build = pathToFileURL(`${resolve(options.versus)}/`).href;
  const other = { name: 'LockedSocket-versus', baseline: 'LockedSocket', file: fileOf('LockedSocket') };
  return [...found, { ...other, environment: { K4NET_BENCH_BUILD: build } }];
}

function fileOf(name) {
  return new URL(`${name}.js`, folder).href;
}

/** Keeps what `--only` names; when it names none of a kind, all of that kind stay. */
function chosen(names) {
  const only = options.only?.split(',') ?? [];
  const named = names.filter((name) => only.includes(name));
  return named.length > 0 ? named : names;
}

function positive(name) {
  const value = Number(options[name]);
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`--${name} is a positive number, not ${options[name]}`);
}

async function main() {
  if (options.help) {
    console.log(help);
    return;
  }
  if (!existsSync(fileURLToPath(new URL('../../dist/index.js', import.meta.url))))
    throw new Error('there is no build yet: npm run build');
  const contestants = findContestants();
  const kept = chosen(contestants.map(({ name }) => name));
  const unknown = (options.only?.split(',') ?? []).filter(
    (name) => !(name in works) && !contestants.some((contestant) => contestant.name === name),
  );
  if (unknown.length > 0) throw new RangeError(`--only knows no ${unknown.join(', ')}`);
  const settings = {
    repeat: positive('repeat'),
    target: positive('target') / 1000,
    count: options.count === undefined ? undefined : positive('count'),
    execArgv: options.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`] : [],
  };
  const rows = [];
  for (const name of chosen(Object.keys(works))) {
    const measured = await measure(
      name,
      works[name],
      contestants.filter((contestant) => kept.includes(contestant.name)),
      settings,
    );
    rows.push(...measured);
    process.stderr.write(`${name} done\n`);
  }
  console.log(table(rows));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
}

await main();
