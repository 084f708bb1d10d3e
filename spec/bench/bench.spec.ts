import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findContestants, rollCall } from './contestants.js';
import { Pair } from './pair.js';
import { works } from './works.js';

interface Row {
  readonly work: string;
  readonly contestant: string;
  readonly value: number;
  readonly messages: number;
}

interface Report {
  readonly machine: Record<string, unknown>;
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  readonly failures: readonly unknown[];
  readonly rows: readonly Row[];
}

const script = fileURLToPath(new URL('./run.js', import.meta.url));
const contestantsFolder = new URL('./contestants/', import.meta.url);
const needNothing = [
  'EncryptedSocket',
  'EncryptedSocket-webcrypto',
  'LockedSocket',
  'QueueSocket',
  'QueueSocket-encrypted',
  'net-batch',
  'net-framed',
  'tls-batch',
  'tls-framed',
];
const timed = Object.keys(works).filter((work) => work !== 'idle-memory');
const others = readdirSync(contestantsFolder)
  .map((file) => file.replace(/\.js$/, ''))
  .filter((name) => !needNothing.includes(name));

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'k4net-bench-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function bench(...more: readonly string[]): Promise<{ stdout: string; report: Report; svg: string }> {
  const json = join(folder, 'figures.json');
  const svg = join(folder, 'chart.svg');
  const args = [script, '--quick', '--repeat', '1', '--json', json, '--svg', svg, ...more];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return {
    stdout,
    report: JSON.parse(readFileSync(json, 'utf8')) as Report,
    svg: readFileSync(svg, 'utf8'),
  };
}

// No speed is asserted: only that the benchmark still runs and that its counts are right.
describe('the benchmark', { timeout: 120_000 }, () => {
  test('has a row for each work and contestant, and all bytes came', async () => {
    const { stdout, report, svg } = await bench('--count', '8', '--only', [...timed, ...needNothing].join());
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    for (const work of timed) {
      for (const contestant of needNothing) {
        const row = report.rows.find((each) => each.work === work && each.contestant === contestant);
        expect(row, `${work} ${contestant}`).toMatchObject({ messages: 8 });
        const line = lines.find((cells) => cells[0] === work && cells[1] === contestant);
        expect(line?.at(-1), `${work} ${contestant}`).toBe('8 msg ok');
      }
    }
    expect(report.failures).toEqual([]);
    expect(report.machine).toMatchObject({ node: process.version });
    expectWellFormed(svg);
    for (const name of needNothing) expect(svg).toContain(`>${name}</text>`);
  });

  // Each of these takes two new processes, so few have to do.
  test('has rows for memory', async () => {
    const { report } = await bench('--count', '8', '--only', 'idle-memory,LockedSocket,net-batch');
    expect(report.rows.map(({ contestant }) => contestant).sort()).toEqual(['LockedSocket', 'net-batch']);
    for (const { messages } of report.rows) expect(messages).toBe(8);
    expect(report.failures).toEqual([]);
  });

  test('measures the others, or says that they are missing', async () => {
    const { stdout, report } = await bench('--count', '70', '--only', ['64-in-flight', ...others].join());
    const rows = report.rows.map(({ contestant }) => contestant);
    const missing = report.missing.map(({ name }) => name);
    expect([...rows, ...missing].sort()).toEqual([...others].sort());
    for (const { messages } of report.rows) expect(messages).toBe(70);
    for (const name of missing) expect(stdout).toMatch(new RegExp(`^LEFT OUT {2}${name}: `, 'm'));
    expect(report.failures).toEqual([]);
  });

  test('leaves out a contestant whose package is not installed', async () => {
    writeFileSync(join(folder, 'absent.js'), "import 'a-package-that-nobody-has-installed';\n");
    const found = findContestants(pathToFileURL(`${folder}/`)).filter(({ name }) => name === 'absent');
    const { present, missing } = await rollCall(found);
    expect(present).toEqual([]);
    expect(missing).toMatchObject([{ name: 'absent' }]);
    expect(missing[0]?.reason).toContain('a-package-that-nobody-has-installed');
  });

  test('runs laps beside a connection that nobody reads from', async () => {
    const contestant = findContestants(contestantsFolder).find(({ name }) => name === 'LockedSocket');
    const pair = new Pair(contestant!, []);
    try {
      await pair.start();
      const work = { kind: 'laps', size: 64, laps: 2, runners: 3, slowReader: true };
      const { laps } = (await pair.run(work, 10)) as { laps: number[] };
      expect(laps).toHaveLength(2);
    } finally {
      await pair.stop();
    }
  });
});

/** Every tag is closed in its order and no bare sign of the markup is left in the text. */
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
