import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importKeyPair } from '../../lib/crypto/key-pair.js';
import { Progress, Screen } from '../../lib/cli/screen.js';
import { chunkSize, formatBytes, formatCount } from '../../lib/cli/transfer.js';
import { main, runCli, type Outcome } from '../support/cli.js';

let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'k4net-cli-'));
  // The tests do not change the configuration of the user.
  env = { ...process.env, XDG_CONFIG_HOME: folder, APPDATA: folder };
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function k4net(...args: string[]): Promise<Outcome> {
  return runCli(args, { env });
}

describe('k4net demo', () => {
  const sizes = [0, 1, chunkSize, chunkSize + 1, 10_000_000];
  it.each(sizes)('sends a file of %d bytes, receives it back and compares hashes', async (size) => {
    const file = path.join(folder, `file-${size}`);
    const bytes = randomBytes(size);
    await writeFile(file, bytes);
    const { code, stdout, stderr } = await k4net('demo', file);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    const chunks = formatCount(Math.ceil(size / chunkSize), 'chunk');
    const seen = `${chunks}, ${formatBytes(size)}, SHA-256 ${hash}...`;
    const lines = stdout.split('\n').map((line) => line.replace(/^(\w+) \(process \d+\): /, '$1: '));
    expect(lines).toContain(`server: expecting the file "file-${size}", ${formatBytes(size)}`);
    for (const line of [`server: got ${seen}`, `client: sent ${seen}`, `client: got back ${seen}`])
      expect(lines.filter((each) => each === line)).toHaveLength(1);
    expect(lines).toContain(
      'client: all hashes are equal: both sides received exactly the bytes that were sent',
    );
    expect(stdout).toMatch(/that took [\d.]+ s: .*\/s and .* chunks?\/s each way, both ways at once\n$/);
  });

  it('prints progress in few lines', async () => {
    const size = 64 * chunkSize;
    const file = path.join(folder, 'long');
    await writeFile(file, randomBytes(size));
    const { stdout } = await k4net('demo', file);
    const steps = [...stdout.matchAll(/: (\d+) % there and back, (.*) of (.*)\n/g)];
    expect(steps.map(([, percent]) => Math.floor(Number(percent) / 10))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(steps.at(-1)!.slice(1)).toEqual(['100', formatBytes(size), formatBytes(size)]);
  });

  it('reports a server process that dies during the transfer', async () => {
    const file = path.join(folder, 'endless');
    await writeFile(file, '');
    await truncate(file, 8 * 1024 ** 3);
    const child = spawn(process.execPath, [main, 'demo', file], { env });
    const ended = once(child, 'close');
    let stdout = '';
    let stderr = '';
    let killed = false;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      const server = /^server \(process (\d+)\)/m.exec(stdout);
      if (server && !killed) process.kill(Number(server[1]), 'SIGKILL');
      killed ||= server !== null;
    });
    expect(await ended).toEqual([1, null]);
    expect(stderr).toMatch(/^k4net: .+\n$/);
  });

  it('is encrypted with a key that is created once and pinned by the client', async () => {
    const file = path.join(folder, 'secret');
    await writeFile(file, 'secret');
    const seen: string[] = [];
    for (let run = 0; run < 2; run += 1) {
      const { stdout } = await k4net('demo', file);
      seen.push(/encrypted; the server has the key that was pinned, (sha256:[0-9a-f]{16})/.exec(stdout)![1]!);
    }
    expect(seen[1]).toBe(seen[0]);
    const key = path.join(folder, 'k4net', 'demo.sk');
    const pair = await importKeyPair(await readFile(key, 'utf8'));
    expect(pair.fingerprint.startsWith(seen[0]!)).toBe(true);
    if (process.platform !== 'win32') expect((await stat(key)).mode & 0o777).toBe(0o600);
  });

  it('runs the server in a process of its own', async () => {
    const file = path.join(folder, 'small');
    await writeFile(file, 'small');
    const { stdout } = await k4net('demo', file);
    const processes = new Set([...stdout.matchAll(/\(process (\d+)\)/g)].map((match) => match[1]));
    expect(processes.size).toBe(2);
  });

  it('reports in one line a file that it cannot send', async () => {
    const missing = await k4net('demo', path.join(folder, 'missing'));
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/^k4net: ENOENT.*missing'\n$/);
    const directory = await k4net('demo', folder);
    expect(directory.code).toBe(1);
    expect(directory.stderr).toBe(`k4net: ${folder} is not a file\n`);
  });
});

describe('the progress line', () => {
  const shown = (isTTY: boolean, ...steps: number[]): string => {
    let text = '';
    const screen = new Screen({ isTTY, write: (more) => (text += more) });
    const progress = new Progress(screen, 'here', 200);
    for (const step of steps) progress.update(step);
    screen.end();
    return text;
  };

  it('is overwritten on a terminal, and the last one stays', () => {
    expect(shown(true, 1, 2, 3, 100, 50, 200)).toBe(
      '\r\x1b[Khere: 1 % there and back, 2 bytes of 200 bytes' +
        '\r\x1b[Khere: 50 % there and back, 100 bytes of 200 bytes' +
        '\r\x1b[Khere: 100 % there and back, 200 bytes of 200 bytes\n',
    );
  });

  it('ends with a line break if the transfer stops early', () => {
    expect(shown(true, 20)).toMatch(/^\r\x1b\[Khere: 10 % .*\n$/);
  });

  it('is printed every 10 % without a terminal', () => {
    expect(shown(false, 1, 19, 20, 39, 100, 50)).toBe(
      'here: 10 % there and back, 20 bytes of 200 bytes\n' +
        'here: 50 % there and back, 100 bytes of 200 bytes\n',
    );
  });

  it('never exceeds 100 %, even if the file has grown', () => {
    expect(shown(false, 300, 400)).toBe('here: 100 % there and back, 300 bytes of 200 bytes\n');
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [1_234_567, '1.2 MB'],
    [5_000_000_000, '5.0 GB'],
    [7e15, '7000.0 TB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('formatCount', () => {
  it.each([
    [0, '0 chunks'],
    [1, '1 chunk'],
    [1200, '1,200 chunks'],
  ])('%d is %s', (count, text) => {
    expect(formatCount(count, 'chunk')).toBe(text);
  });
});
