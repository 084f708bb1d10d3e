import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateKeyPair, importKeyPair } from '../../lib/crypto/key-pair.js';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import { fileKnownHosts } from '../../lib/trust/known-hosts-file.js';
import { main, runCli, type Outcome } from '../support/cli.js';
import { needDist } from '../support/dist.js';
import { keys } from '../support/keys.js';

const onPosix = process.platform !== 'win32';
const [one, two] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];

let folder: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  needDist();
  folder = await mkdtemp(path.join(tmpdir(), 'k4net-cli-'));
  // The tests do not change the configuration of the user.
  env = { ...process.env, XDG_CONFIG_HOME: folder, APPDATA: folder };
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function k4net(...args: string[]): Promise<Outcome> {
  return runCli(args, { env, cwd: folder });
}

describe('k4net', () => {
  it('prints its usage to stdout for help, and to stderr with code 2 for a wrong command line', async () => {
    const asked = await k4net('--help');
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(asked.stdout).toMatch(/^usage: k4net COMMAND/);
    for (const args of [[], ['nonsense'], ['toString'], ['demo', 'a', 'b']]) {
      const wrong = await k4net(...args);
      expect(wrong).toMatchObject({ code: 2, stdout: '' });
      expect(wrong.stderr).toMatch(/^usage: k4net COMMAND/);
      expect(wrong.stderr).toMatch(/\n\nk4net: .+\n$/);
    }
  });

  it('prints only the usage of the command whose arguments are wrong', async () => {
    const { stderr } = await k4net('keygen');
    expect(stderr).toContain('keygen PATH');
    expect(stderr).not.toMatch(/trust list|demo/);
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('k4net: PATH is missing');
  });

  it('prints the version of the package', async () => {
    const { version } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    expect(await k4net('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('exits silently when the reader of its output is gone', async () => {
    const child = spawn(process.execPath, [main, 'help'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number | null];
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it.each([
    [['keygen'], 'PATH is missing'],
    [['keygen', 'a', 'b'], "unexpected argument 'b'"],
    [['keygen', 'a', '--size', '1024'], "--size must be 2048, 3072 or 4096, not '1024'"],
    [['keygen', 'a', '--size'], '--size'],
    [['keygen', 'a', '--bits', '2048'], '--bits'],
    [['keygen', 'folder/'], 'keyPath must be the path of a file'],
    [['fingerprint'], 'FILE is missing'],
    [['trust'], 'trust needs a command: list, add, replace, revoke, remove'],
    [['trust', 'forget'], "unknown trust command 'forget'"],
    [['trust', 'constructor'], "unknown trust command 'constructor'"],
    [['trust', 'list', 'a:1'], "unexpected argument 'a:1'"],
    [['trust', 'add', 'a:1'], 'FINGERPRINT is missing'],
    [['trust', 'add', 'a:1', 'sha256:12'], "a fingerprint must be 'sha256:' and 64 hexadecimal digits"],
    [['trust', 'add', '#a', one], 'the name of a server'],
    [['trust', 'revoke', 'a:1', one, 'b'], "unexpected argument 'b'"],
    [['trust', 'revoke'], 'NAME is missing'],
    [['trust', 'replace', 'a:1'], 'FINGERPRINT is missing'],
    [['trust', 'add', '::1:9000', one], "'::1:9000' is an IPv6 address without brackets: write '[::1]:9000'"],
    [['trust', 'list', '--file', ''], 'the path of a known-hosts file'],
  ])('reports the mistake in %j', async (args, what) => {
    const { code, stdout, stderr } = await k4net(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toContain(what);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('k4net keygen', () => {
  it('creates a key of 3072 bits that only its owner can read and a server can use, and prints its fingerprint', async () => {
    const { code, stdout, stderr } = await k4net('keygen', 'server');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const file = path.join(folder, 'server.sk');
    const pair = await importKeyPair(await readFile(file, 'utf8'));
    expect(pair.publicKey.bits).toBe(3072);
    expect(stdout).toBe(`${pair.fingerprint}\n`);
    expect(await readdir(folder)).toEqual(['server.sk']);
    if (onPosix) expect((await stat(file)).mode & 0o777).toBe(0o600);
    const server = await listen({ port: 0, keyPath: path.join(folder, 'server') });
    expect(server.fingerprint).toBe(pair.fingerprint);
    await server.close();
  });

  it('accepts a key size', async () => {
    expect(await k4net('keygen', '--size', '2048', 'server.sk')).toMatchObject({ code: 0 });
    const pair = await importKeyPair(await readFile(path.join(folder, 'server.sk'), 'utf8'));
    expect(pair.publicKey.bits).toBe(2048);
  });

  it('never overwrites a file', async () => {
    await writeFile(path.join(folder, 'server.sk'), 'mine');
    if (onPosix) await symlink('nowhere', path.join(folder, 'link.sk'));
    for (const name of onPosix ? ['server', 'link'] : ['server']) {
      const { code, stdout, stderr } = await k4net('keygen', name, '--size', '2048');
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toBe(`k4net: '${name}.sk' exists already and was not changed\n`);
    }
    expect(await readFile(path.join(folder, 'server.sk'), 'utf8')).toBe('mine');
  });

  it('reports in one line a file that it cannot create', async () => {
    const { code, stdout, stderr } = await k4net('keygen', 'no/such/server', '--size', '2048');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^k4net: 'no\/such\/server.sk' cannot be made \(ENOENT\)\n$/);
  });
});

describe('k4net fingerprint', () => {
  it('prints the fingerprint of a private key, of a public key and of a P-256 key', async () => {
    const client = await generateKeyPair({ type: 'p256' });
    const legacy = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const legacyPem = legacy.privateKey.export({ type: 'pkcs1', format: 'pem' });
    const expected: [string, string | Buffer, string][] = [
      ['a.sk', keys.server.toPem(), keys.server.fingerprint],
      ['a.pk', keys.server.publicKey.toPem(), keys.server.fingerprint],
      ['client.pem', client.toPem(), client.fingerprint],
      ['client-public.pem', client.publicKey.toPem(), client.fingerprint],
      ['legacy.pem', legacyPem, (await importKeyPair(String(legacyPem))).fingerprint],
    ];
    for (const [name, text, print] of expected) {
      await writeFile(path.join(folder, name), text, { mode: 0o600 });
      expect(await k4net('fingerprint', name)).toEqual({ code: 0, stdout: `${print}\n`, stderr: '' });
    }
  });

  it('reports a wrong file in one line without its content', async () => {
    await writeFile(path.join(folder, 'half'), keys.server.toPem().slice(0, 700));
    await writeFile(path.join(folder, 'words'), 'a word of mine');
    for (const [name, what] of [
      ['missing', /^k4net: 'missing' does not exist\n$/],
      ['half', /^k4net: 'half' holds no (private|public) key: .*\n$/],
      ['words', /^k4net: 'words' holds no public key: .*\n$/],
      ['.', /^k4net: '\.' is not a file\n$/],
    ] as const) {
      const { code, stdout, stderr } = await k4net('fingerprint', name);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(what);
      expect(stderr).not.toContain('mine');
      expect(stderr).not.toContain(keys.server.toPem().slice(100, 130));
    }
  });
});

describe('k4net trust', () => {
  const store = () => fileKnownHosts(path.join(folder, 'k4net', 'known_hosts'));
  const today = () => new Date().toISOString().slice(0, 10);

  it('adds, lists, replaces, revokes and removes a server in the file of the user', async () => {
    expect(await k4net('trust', 'list')).toEqual({ code: 0, stdout: '', stderr: '' });
    const before = today();
    const added = await k4net('trust', 'add', 'Example.org.:9000', one.toUpperCase().replace('SHA', 'sha'));
    // Midnight may have passed since.
    const days = [before, today()].map((day) => `${day} ${day}`);
    const line = (print: string, state: string) =>
      days.map((day) => `example.org:9000 ${print} ${state} ${day}\n`);
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(line(one, 'pinned')).toContain(added.stdout);
    expect(await k4net('trust', 'list')).toEqual(added);
    expect(await k4net('trust', 'add', 'example.org:9000', one)).toEqual(added);

    const other = await k4net('trust', 'add', 'example.org:9000', two);
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toContain(`has a different key, ${one}, for 'example.org:9000'`);

    expect(await k4net('trust', 'replace', 'EXAMPLE.org:9000', two)).toMatchObject({ code: 0 });
    expect(await store().get('example.org:9000')).toMatchObject({ fingerprint: two, state: 'pinned' });

    const revoked = await k4net('trust', 'revoke', 'example.org.:9000');
    expect(revoked).toMatchObject({ code: 0, stderr: '' });
    expect(revoked.stdout).toContain(`${two} revoked`);
    expect(await store().get('example.org:9000')).toMatchObject({ fingerprint: two, state: 'revoked' });
    const again = await k4net('trust', 'add', 'example.org:9000', two);
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('has a revoked key');

    expect(await k4net('trust', 'remove', 'example.org:9000')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await k4net('trust', 'list')).toEqual({ code: 0, stdout: '', stderr: '' });
    for (const word of ['remove', 'revoke']) {
      const unknown = await k4net('trust', word, 'example.org:9000');
      expect(unknown).toMatchObject({ code: 1, stdout: '' });
      expect(unknown.stderr).toMatch(/^k4net: '.*known_hosts' has no entry for 'example.org:9000'\n$/);
    }
  });

  it('uses the file of --file', async () => {
    expect(await k4net('trust', 'add', 'a:1', one, '--file', 'mine')).toMatchObject({ code: 0 });
    expect(await readdir(folder)).toEqual(['mine']);
    expect((await k4net('trust', 'list', '--file', 'mine')).stdout).toContain(`a:1 ${one}`);
  });

  it('lists valid lines, and reports every invalid one with code 1', async () => {
    const line = `a:1 k4net1 ${one} pinned 2026-01-31 2026-02-01\n`;
    await writeFile(path.join(folder, 'mine'), `# text\n${line}b:1 what\n${line.replace('a:1', 'c:1')}`);
    expect(await k4net('trust', 'list', '--file', 'mine')).toEqual({
      code: 1,
      stdout: `a:1 ${one} pinned 2026-01-31 2026-02-01\nc:1 ${one} pinned 2026-01-31 2026-02-01\n`,
      stderr: "k4net: 'mine' has an invalid line for 'b:1': line 3\n",
    });
  });

  it.each([
    ['add', 'a:1', two],
    ['replace', 'a:1', two],
    ['revoke', 'a:1'],
    ['revoke', 'a:1', one],
    ['remove', 'a:1'],
  ])('%s rejects a file with an invalid line', async (...args) => {
    const line = `a:1 k4net1 ${one} pinned 2026-01-31 2026-02-01\n`;
    for (const [text, number] of [
      [keys.server.toPem(), 1],
      [`# mine\n\n${line}b:1 what\n`, 4],
    ] as const) {
      await writeFile(path.join(folder, 'vic.sk'), text);
      expect(await k4net('trust', ...args, '--file', './vic.sk')).toEqual({
        code: 1,
        stdout: '',
        stderr: `k4net: './vic.sk' is not a known-hosts file: line ${number} is invalid\n`,
      });
      expect(await readFile(path.join(folder, 'vic.sk'), 'utf8')).toBe(text);
    }
    expect(await readdir(folder)).toEqual(['vic.sk']);
  });

  it('keeps the dates of a key that it revokes, and prints the new line', async () => {
    const file = path.join(folder, 'mine');
    await writeFile(file, `a:1 k4net1 ${one} pinned 2026-01-31 2026-02-01\n`);
    const wrong = await k4net('trust', 'revoke', 'a:1', two, '--file', file);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain(`has a different key, ${one}, for 'a:1'`);
    expect(await k4net('trust', 'revoke', 'a:1', '--file', file)).toEqual({
      code: 0,
      stdout: `a:1 ${one} revoked 2026-01-31 2026-02-01\n`,
      stderr: '',
    });
    expect(await readFile(file, 'utf8')).toBe(`a:1 k4net1 ${one} revoked 2026-01-31 2026-02-01\n`);
  });

  it('revokes the key of a server that is not in the file', async () => {
    const file = path.join(folder, 'mine');
    const { code, stdout } = await k4net('trust', 'revoke', 'A:01', one, '--file', file);
    expect(code).toBe(0);
    expect(stdout).toContain(`a:1 ${one} revoked`);
    expect(await fileKnownHosts(file).get('a:1')).toMatchObject({ fingerprint: one, state: 'revoked' });
  });

  it('accepts the name that connect looks up', async () => {
    const file = path.join(folder, 'mine');
    const socketPath = path.join(folder, 'a socket');
    const server = await listen({ path: socketPath, key: keys.server, onError: () => undefined });
    const served = server.serve((sock) => sock.recv().catch(() => undefined));
    expect(
      await k4net('trust', 'add', `unix:${socketPath}`, keys.server.fingerprint, '--file', file),
    ).toMatchObject({ code: 0 });
    const sock = await connect({ path: socketPath, knownHosts: file, retry: false });
    expect(sock.peer).toMatchObject({ how: 'known-hosts', authenticated: true });
    await sock.close();
    await server.close();
    await served;
  });

  it('makes clients reject a server whose key is revoked', async () => {
    const file = path.join(folder, 'mine');
    const server = await listen({ port: 0, key: keys.server, onError: () => undefined });
    const address = server.address() as { host: string; port: number };
    const name = `${address.host}:${address.port}`;
    await k4net('trust', 'add', name, keys.server.fingerprint, '--file', file);
    await k4net('trust', 'revoke', name, '--file', file);
    await expect(connect({ ...address, knownHosts: file, retry: false })).rejects.toMatchObject({
      code: 'K4NET_SERVER_AUTH',
    });
    await server.close({ timeout: 0 });
  });
});
