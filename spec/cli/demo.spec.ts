import { execFile, type ExecFileException } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importKeyPair } from '../../lib/crypto/keys.js';
import { formatBytes, formatCount } from '../../lib/cli/format.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'k4net-cli-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function k4net(...args: string[]): Promise<Outcome> {
  // The configuration of whoever runs the tests stays as it is.
  const env = { ...process.env, XDG_CONFIG_HOME: folder, APPDATA: folder };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      { env },
      (error: ExecFileException | null, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

describe('the main job', () => {
  it.each([0, 1, 64 * 1024, 64 * 1024 + 1, 3_000_000])('sends a file of %d bytes both ways', async (size) => {
    const file = path.join(folder, `file-${size}`);
    const bytes = randomBytes(size);
    await writeFile(file, bytes);
    const { code, stdout, stderr } = await k4net('demo', file);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    const messages = formatCount(Math.ceil(size / 65_536), 'message');
    const seen = `${messages}, ${formatBytes(size)}, SHA-256 ${hash}...`;
    expect(stdout).toMatch(/^server \(process \d+\): got /m);
    expect(stdout.split(seen)).toHaveLength(4);
    expect(stdout).toContain('all hashes are equal');
  });

  it('is encrypted, with a key that is made once and pinned by the client', async () => {
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

  it('says in one line what is wrong with the file', async () => {
    const missing = await k4net('demo', path.join(folder, 'missing'));
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/^k4net: ENOENT.*missing'\n$/);
    const directory = await k4net('demo', folder);
    expect(directory.code).toBe(1);
    expect(directory.stderr).toBe(`k4net: ${folder} is not a file\n`);
  });

  it('explains itself', async () => {
    expect(await k4net('--help')).toMatchObject({ code: 0, stderr: '' });
    const wrong = await k4net('nonsense');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('usage: k4net demo [file]');
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
    [0, '0 messages'],
    [1, '1 message'],
    [1200, '1,200 messages'],
  ])('%d is %s', (count, text) => {
    expect(formatCount(count, 'message')).toBe(text);
  });
});
