import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { natsProgram } from '../support/nats-server.js';
import { checkContestants, findContestants, takesPart } from './contestants.js';
import { ProcessPair } from './process-pair.js';
import { natsNames, natsWorks } from './nats-works.js';
import { replaceFigures } from './table.js';
import { baselines, specialists, streamingNames, works } from './works.js';

interface Row {
  readonly work: string;
  readonly contestant: string;
  readonly unit: string;
  readonly value: number;
  readonly messages: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly comparisons: readonly { readonly baseline: string; readonly value: number }[];
}

interface Report {
  readonly machine: Record<string, unknown>;
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  readonly failures: readonly unknown[];
  readonly rows: readonly Row[];
}

const script = fileURLToPath(new URL('./run.js', import.meta.url));
const build = fileURLToPath(new URL('../../dist/', import.meta.url));
const contestantsFolder = new URL('./contestants/', import.meta.url);
/** Contestants that need no package besides the library. */
const withoutPackages = [
  'EncryptedSocket',
  'EncryptedSocket-webcrypto',
  'LockedSocket',
  'QueueSocket',
  'QueueSocket-encrypted',
  'net-batch',
  'net-framed',
  'tls-batch',
  'tls-framed',
  ...streamingNames,
];
const withPackages = ['grpc', 'secret-stream', 'socket.io', 'ws', 'wss', 'zeromq', 'zeromq-curve'];
const pooled = Object.keys(works).filter((work) => works[work]?.sampling === 'pool');
const overNats = Object.keys(natsWorks);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'k4net-bench-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args]);
  return stdout;
}

async function bench(...more: readonly string[]): Promise<{ stdout: string; report: Report; svg: string }> {
  const json = join(folder, 'figures.json');
  const svg = join(folder, 'chart.svg');
  const stdout = await run('--quick', '--repeat', '1', '--json', json, '--svg', svg, ...more);
  return {
    stdout,
    report: JSON.parse(readFileSync(json, 'utf8')) as Report,
    svg: readFileSync(svg, 'utf8'),
  };
}

// These tests check that the benchmark runs and that its counts are right. They check no speed.
describe('the benchmark', { timeout: 120_000 }, () => {
  test('counts every message of every contestant that needs no package', async () => {
    const { stdout, report, svg } = await bench(
      '--count',
      '8',
      '--only',
      [...pooled, ...withoutPackages].join(),
    );
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    for (const work of pooled) {
      for (const contestant of withoutPackages.filter((name) => takesPart({ name }, works[work]!))) {
        const row = report.rows.find((each) => each.work === work && each.contestant === contestant);
        expect(row, `${work} ${contestant}`).toMatchObject({ messages: 8 });
        const line = lines.find((cells) => cells[0] === work && cells.includes(contestant));
        expect(line?.at(-1), `${work} ${contestant}`).toBe('8 msg ok');
      }
    }
    expect(report.failures).toEqual([]);
    expect(report.machine).toMatchObject({ node: process.version });
    expectWellFormed(svg);
    for (const name of withoutPackages) expect(svg).toContain(`>${name}</text>`);
  });

  // Every row of this test and of the next takes two new processes, so there are few.
  test('measures the memory of idle connections', async () => {
    const { report } = await bench('--count', '8', '--only', 'idle-memory,LockedSocket,net-batch');
    expect(report.rows.map(({ contestant }) => contestant).sort()).toEqual(['LockedSocket', 'net-batch']);
    for (const { messages } of report.rows) expect(messages).toBe(8);
    expect(report.failures).toEqual([]);
  });

  test('measures ping-pong in new processes, with percentiles, beside streams without framing', async () => {
    const names = ['EncryptedSocket', 'LockedSocket', 'net', 'tls'];
    const { report, svg } = await bench('--count', '8', '--only', ['ping-pong', ...names].join());
    for (const unit of ['p50', 'p99', 'first1000']) {
      const rows = report.rows.filter((row) => row.unit === unit);
      expect(rows.map(({ contestant }) => contestant).sort(), unit).toEqual(names);
      for (const { messages, p50, p99 } of rows) {
        expect(messages).toBe(8);
        expect(p50).toBeGreaterThan(0);
        expect(p99).toBeGreaterThanOrEqual(p50!);
      }
    }
    expect(report.failures).toEqual([]);
    expectWellFormed(svg);
  });

  test('measures typed calls and imports of two builds beside each other', async () => {
    const typedWorks = ['typed-calls-cold', 'typed-calls-warm'];
    const names = ['QueueSocket', 'QueueSocket-encrypted', 'k4net'];
    const only = [...typedWorks, 'import', ...names].join();
    const { report } = await bench('--count', '8', '--versus', build, '--only', only);
    const typedNames = names
      .slice(0, 2)
      .flatMap((name) => [name, `${name}-versus`])
      .sort();
    for (const work of typedWorks) {
      for (const unit of ['time', 'cpu']) {
        const rows = report.rows.filter((row) => row.work === work && row.unit === unit);
        expect(rows.map(({ contestant }) => contestant).sort(), `${work} ${unit}`).toEqual(typedNames);
        for (const { messages } of rows) expect(messages).toBe(8);
      }
    }
    const imported = report.rows.filter(({ work }) => work === 'import');
    expect(imported.map(({ contestant }) => contestant).sort()).toEqual(['k4net', 'k4net-versus']);
    for (const name of names) {
      const row = report.rows.find(({ contestant }) => contestant === name);
      expect(row?.comparisons.map(({ baseline }) => baseline)).toContain(`${name}-versus`);
    }
    expect(report.failures).toEqual([]);
  });

  test('measures the contestants that need a package, or says that they are missing', async () => {
    const only = ['64-in-flight', 'typed-calls-cold', ...withPackages, 'ws-json', 'wss-json'].join();
    const { stdout, report } = await bench('--count', '70', '--only', only);
    const rows = report.rows.map(({ contestant }) => contestant);
    const missing = report.missing.map(({ name }) => name);
    expect([...new Set([...rows, ...missing])].sort()).toEqual(
      [...withPackages, 'ws-json', 'wss-json'].sort(),
    );
    for (const { messages } of report.rows) expect(messages).toBe(70);
    for (const name of missing) expect(stdout).toMatch(new RegExp(`^LEFT OUT {2}${name}: `, 'm'));
    expect(report.failures).toEqual([]);
  });

  test('counts every message of the contestants over NATS, or says that there is no nats-server', async () => {
    const { stdout, report } = await bench('--count', '70', '--only', [...overNats, ...natsNames].join());
    for (const name of natsNames) {
      if (report.missing.some((each) => each.name === name)) {
        expect(stdout).toMatch(new RegExp(`^LEFT OUT {2}${name}: there is no nats-server: install it`, 'm'));
        expect(natsProgram).toBeUndefined();
      } else {
        const taken = overNats.filter((work) => natsWorks[work]?.contestants?.includes(name));
        const rows = report.rows.filter(({ contestant }) => contestant === name);
        expect(rows.map(({ work }) => work)).toEqual(taken);
        for (const { messages } of rows) expect(messages).toBe(70);
      }
    }
    expect(report.failures).toEqual([]);
  });

  test('prints a Markdown table for each section of the docs page, also from a file', async () => {
    const json = join(folder, 'some-figures.json');
    const stdout = await run(
      ...['--quick', '--repeat', '1', '--count', '8', '--markdown', '--json', json],
      ...['--only', '64B,connect,ping-pong,EncryptedSocket,tls,tls-framed,tls-batch'],
    );
    expect(stdout.match(/^### .*/gm)).toEqual([
      '### One message at a time',
      '### Throughput',
      '### Connections and memory',
    ]);
    expect(stdout).toMatch(/^\| ping-pong p50 +\| EncryptedSocket \| .* us +\| tls +\|/m);
    expect(await run('--markdown', '--from', json)).toBe(stdout);
  });

  test('replaces the figures of the docs page and keeps the rest', () => {
    const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
    const replaced = replaceFigures(page, 'new figures');
    expect(replaced).toContain('<!-- figures -->\n\nnew figures\n\n<!-- end of figures -->');
    expect(replaceFigures(replaced, 'x')).toBe(replaceFigures(page, 'x'));
    expect(replaced.split('\n')[0]).toBe(page.split('\n')[0]);
    expect(replaced.split('\n').at(-2)).toBe(page.split('\n').at(-2));
  });

  test('writes CPU profiles of both sides and prints their most expensive functions', async () => {
    const stdout = await run('--profile', 'typed-calls-cold', '--only', 'QueueSocket', '--count', '50');
    const files = stdout.match(/^.*\.cpuprofile$/gm) ?? [];
    try {
      expect(files.map((file) => basename(file))).toEqual([
        'QueueSocket-client.cpuprofile',
        'QueueSocket-server.cpuprofile',
      ]);
      for (const file of files) expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveProperty('samples');
      expect(stdout).toMatch(/^ *\d+\.\d\d us {2}/m);
    } finally {
      for (const file of files) rmSync(dirname(file), { recursive: true, force: true });
    }
  });

  test('leaves out a contestant whose package is not installed', async () => {
    writeFileSync(join(folder, 'absent.js'), "import 'a-package-that-nobody-has-installed';\n");
    const found = findContestants(pathToFileURL(`${folder}/`)).filter(({ name }) => name === 'absent');
    const { present, missing } = await checkContestants(found);
    expect(present).toEqual([]);
    expect(missing).toMatchObject([{ name: 'absent' }]);
    expect(missing[0]?.reason).toContain('a-package-that-nobody-has-installed');
  });

  test('names only contestants that exist', () => {
    const names = findContestants(contestantsFolder).map(({ name }) => name);
    const special = Object.values(works).flatMap((work) => work.contestants ?? []);
    for (const name of [...specialists, ...special, ...Object.keys(baselines)]) expect(names).toContain(name);
    for (const name of Object.values(baselines).flat()) expect(names).toContain(name);
  });

  test('runs rounds of messages beside a connection that nobody reads', async () => {
    const contestant = findContestants(contestantsFolder).find(({ name }) => name === 'LockedSocket');
    const pair = new ProcessPair(contestant!);
    try {
      await pair.start();
      const work = { workload: 'rounds', size: 64, rounds: 2, connections: 3, slowReader: true };
      const { rounds } = (await pair.run(work, 10)) as { rounds: number[] };
      expect(rounds).toHaveLength(2);
    } finally {
      await pair.stop();
    }
  });
});

/** Checks that every tag is closed in order and that the text has no unescaped markup. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>/g,
    (_, end, name: string, __, empty) => {
      if (end === '/') expect(open.pop()).toBe(name);
      else if (empty === '') open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
}
