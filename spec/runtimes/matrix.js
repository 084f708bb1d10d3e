// Runs the installed package on every runtime: the programs of spec/package/programs, then the
// cases of ./cases.js with each runtime as client of each runtime.
//
//     node spec/runtimes/matrix.js                    where the npm registry is out of reach: skips
//     node spec/runtimes/matrix.js --required         fails there; the default with CI set
//     node spec/runtimes/matrix.js --only bun,deno    only runtimes with such names, on either side
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { bring, isCached, registryAnswers, runtimes } from './bring.js';
import { startClients, whyNoChromium } from './chromium.js';
import { makeProjects, Program } from './programs.js';

const required = process.argv.includes('--required') || Boolean(process.env['CI']);
const only = process.argv.includes('--only')
  ? process.argv[process.argv.indexOf('--only') + 1].toLowerCase().split(',')
  : [''];
const isChosen = (name) => only.some((word) => name.toLowerCase().includes(word));
const chosen = runtimes.filter(({ name }) => isChosen(name));
/** The oldest Node runs only the programs of the package: it differs little from the next. */
const smokeOnly = '20.19.0';
const carriers = ['TCP', 'WebSocket', 'Deno.serve'];
const lastCase = 'nothing keeps the process alive after close';

const total = { passed: 0, failed: 0, skipped: 0 };
const notes = [];

function count(passed, what, detail = '') {
  total[passed ? 'passed' : 'failed'] += 1;
  if (!passed) notes.push(`FAILED ${what}${detail && `: ${detail}`}`);
  return passed;
}

function skip(what, reason) {
  total.skipped += 1;
  notes.push(`skipped: ${what}: ${reason}`);
}

/** Runs the jobs, as many at once as there are processors. */
async function runAll(jobs) {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

/** The programs of the package, through import and for Node also require, and those of ./limits. */
async function smoke(runtime, project) {
  const node = runtime.kind === 'node';
  await printsOk(runtime, 'import', 'programs/smoke.mjs', project);
  if (node) await printsOk(runtime, 'require', 'programs/smoke.cjs', project);
  await printsOk(runtime, 'without ws', 'runtimes/limits/without-ws.js', project);
  if (runtime.kind !== 'deno') return;
  const denied = { ...runtime, run: ['run', '--no-prompt', '--allow-read', '--no-lock'] };
  await printsOk(denied, 'without permissions', 'runtimes/limits/without-permission.js', project);
}

async function printsOk(runtime, what, file, project) {
  const program = new Program(runtime, file, [], project);
  const said = await program.line();
  const ended = await program.ends();
  // Node 20 and 22 call require() of an ES module experimental; nothing else may warn.
  const passed = said === 'ok' && ended && (program.stderr === '' || what === 'require');
  const title = `${runtime.name}: ${what}`;
  if (count(passed, title, program.stderr || said || 'does not end')) console.log(`${title} works`);
}

async function startServer(runtime, project) {
  const program = new Program(runtime, 'runtimes/servers/main.js', [], project).withoutLimit();
  const line = await program.line();
  if (line === undefined) {
    count(false, `${runtime.name} as a server`, program.stderr);
    return undefined;
  }
  return { runtime, program, ...JSON.parse(line) };
}

/** Runs a program that runs the cases, and returns the text of its cell in the table. */
async function runClient(runtime, what, file, argument, project) {
  const program = new Program(runtime, `runtimes/clients/${file}`, [argument], project);
  const line = await program.line();
  const ended = await program.ends();
  if (line === undefined) {
    count(false, what, program.stderr);
    return 'none';
  }
  count(ended, `${what}: ${lastCase}`, program.stderr);
  return cellOf(what, JSON.parse(line), ended ? 1 : 0, 1);
}

/** Calls a function in a page that runs the cases. A page does not end, so it has one case less. */
async function callPage(client, what, name, argument) {
  try {
    return cellOf(what, await client.call(name, argument), 0, 0);
  } catch (error) {
    count(false, what, error.message);
    return 'none';
  }
}

/** Counts a report, and returns the text of its cell: what passed, of how many if not all. */
function cellOf(what, { passed, failed }, morePassed, more) {
  total.passed += passed;
  for (const { name, error } of failed) count(false, `${what}: ${name}`, error);
  const all = passed + failed.length + more;
  return passed + morePassed === all ? `${all}` : `${passed + morePassed} of ${all}`;
}

/** Each client with each server, over one carrier. */
async function runCarrier(carrier, clients, servers, project, globalClass = false) {
  const able = servers.filter(({ carriers }) => carriers[carrier]);
  if (able.length === 0) return;
  const columns = able.map((server) => ({
    name: server.runtime.name,
    run(client) {
      const argument = { fingerprint: server.fingerprint, addresses: server.carriers[carrier], globalClass };
      const what = `${client.name} to ${server.runtime.name} over ${carrier}${globalClass ? ', global class' : ''}`;
      if (client.kind !== 'chromium') {
        return runClient(client, what, 'main.js', JSON.stringify(argument), project);
      }
      return carrier === 'TCP' ? '-' : callPage(client, what, 'talk', argument);
    },
  }));
  const title = globalClass ? 'the global class' : carrier;
  await runTable(`${title}: client, server`, clients, columns);
}

/** Client and server in one process, or in a worker and its parent. */
async function runInside(clients, project) {
  const column = (file, argument, kinds) => ({
    name: argument,
    async run(client) {
      if (!kinds.includes(client.kind)) return '-';
      const what = `${client.name}, ${argument}`;
      return client.kind === 'chromium'
        ? callPage(client, what, path.basename(file, '.js'), argument)
        : runClient(client, what, file, argument, project);
    },
  });
  await runTable('inside', clients, [
    column('local.js', 'memory', ['node', 'bun', 'deno', 'chromium']),
    column('local.js', 'port', ['node', 'bun', 'deno', 'chromium']),
    column('local.js', 'Web Streams', ['node', 'bun', 'deno', 'chromium']),
    column('parent.js', 'node:worker_threads', ['node', 'bun', 'deno']),
    column('parent.js', 'Worker', ['bun', 'deno', 'chromium']),
  ]);
}

/** Runs every cell of a table, and prints it. */
async function runTable(title, clients, columns) {
  const rows = clients.map(({ name }) => [name]);
  const jobs = clients.flatMap((client, row) =>
    columns.map(({ run }, column) => async () => {
      rows[row][column + 1] = await run(client);
    }),
  );
  await runAll(jobs);
  const table = [[title, ...columns.map(({ name }) => name)], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  console.log('');
  for (const row of table)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
}

async function runMatrix(folder) {
  const brought = chosen.map((runtime) => ({ ...runtime, binary: bring(runtime) }));
  const { bare, project } = makeProjects(folder);
  await runAll(brought.map((runtime) => () => smoke(runtime, bare)));

  const programs = brought.filter(({ version }) => version !== smokeOnly);
  const started = await Promise.all(programs.map((runtime) => startServer(runtime, project)));
  const servers = started.filter((server) => server !== undefined);
  const chromium = await chromiumClients(project);
  const clients = [...programs, ...chromium.clients];
  try {
    for (const carrier of carriers) await runCarrier(carrier, clients, servers, project);
    // With ws installed, Node does not take its own class of WebSockets.
    const ownClass = programs.filter(({ kind, version }) => kind === 'node' && !version.startsWith('20.'));
    if (ownClass.length > 0) await runCarrier('WebSocket', ownClass, servers, project, true);
    await runInside(clients, project);
  } finally {
    await chromium.close();
    for (const { runtime, program } of servers) {
      count(await program.ends(), `${runtime.name} as a server ends by itself`, program.stderr);
    }
  }
}

/** Chromium, if it is chosen and there. */
async function chromiumClients(project) {
  const none = { clients: [], close: () => undefined };
  if (!isChosen('Chromium')) return none;
  const reason = whyNoChromium();
  if (reason === undefined) return startClients(project);
  if (required) count(false, 'Chromium', reason);
  else skip('Chromium', reason);
  return none;
}

const folder = mkdtempSync(path.join(tmpdir(), 'k4net-runtimes-'));
try {
  if (!chosen.every(isCached) && !registryAnswers()) {
    const reason = 'no npm registry, and the runtimes come from there';
    if (required) count(false, 'the matrix', reason);
    else skip('the matrix', reason);
  } else {
    await runMatrix(folder);
  }
} catch (error) {
  count(false, 'the matrix', error.stack);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(['', ...notes].join('\n'));
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
if (total.failed > 0) process.exitCode = 1;
