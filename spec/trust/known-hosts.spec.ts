import { FileError } from '../../lib/errors.js';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, posix, win32 } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkKnownHost, hostName, memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { indexedDbKnownHosts } from '../../lib/trust/indexed-db.js';
import { defaultKnownHostsPath, fileKnownHosts, listKnownHosts } from '../../lib/trust/known-hosts-file.js';
import { describeKnownHosts } from '../conformance/known-hosts-suite.js';
import { failure } from '../support/sockets.js';
import { compileTo, race, temporaryFolder } from './processes.js';

const onPosix = process.platform !== 'win32';
const [one, two] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];
const name = 'example.org:9000';

let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, 'k4net', 'known_hosts');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 31, 23, 59) });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  folder.remove();
});

const content = () => readFileSync(path, 'latin1');
function write(text: string): void {
  mkdirSync(join(folder.path, 'k4net'), { recursive: true });
  writeFileSync(path, text, 'latin1');
}

let stores = 0;
describeKnownHosts('in memory', memoryKnownHosts);
describeKnownHosts('in a file', () => {
  stores += 1;
  return fileKnownHosts(join(folder.path, `store-${stores}`));
});

describe('a store of known hosts in IndexedDB', () => {
  it('names the other ways to trust a server where there is no IndexedDB', async () => {
    const store = indexedDbKnownHosts();
    for (const call of [store.get(name), store.addIfAbsent(name, one), store.replace(name, one)]) {
      const error = await failure(call, 'K4NET_UNSUPPORTED');
      expect(error.message).toMatch(/memoryKnownHosts\(\).*'pin'/);
    }
    await store.touch(name, one);
  });

  it.each(['', 7 as never])('has no database with the name %j', (bad) => {
    expect(() => indexedDbKnownHosts(bad)).toThrow(TypeError);
  });
});

describe('a normalized host name', () => {
  it.each([
    ['host:080', 'host:80'],
    ['host.:080', 'host:80'],
    ['[::1]:0443', '[::1]:443'],
    ['host:0', 'host:0'],
    ['unix:007', 'unix:007'],
    ['unix:/a:007', 'unix:/a:007'],
  ])('has no zeros before its port: %s becomes %s', (given, spelling) => {
    expect(hostName(given)).toBe(spelling);
  });

  it('stays the same when it is normalized again, and for capitals', () => {
    const part = fc.constantFrom(
      '[',
      ']',
      ':',
      '::',
      '.',
      '0',
      '1',
      'ffff',
      'fe80',
      '%',
      'a',
      'b',
      '127.0.0.1',
      'unix:',
      '/',
    );
    const names = fc.oneof(
      fc.array(part, { minLength: 1, maxLength: 12 }).map((parts) => parts.join('')),
      fc.ipV6().map((address) => `[${address}]:1`),
      fc.domain().map((domain) => `${domain}.:1`),
    );
    fc.assert(
      fc.property(names, (text) => {
        const spelling = hostName(text);
        expect(hostName(spelling)).toBe(spelling);
        expect(hostName(text.toUpperCase())).toBe(spelling);
        expect(spelling).not.toMatch(/[A-Z]/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('an entry of known hosts', () => {
  const known = { name, fingerprint: one, state: 'pinned', firstSeen: '', lastSeen: '' } as const;

  it('is checked against the key that a server shows', () => {
    expect(() => {
      checkKnownHost(known, one);
    }).not.toThrow();
    expect(() => {
      checkKnownHost(known, two);
    }).toThrow(expect.objectContaining({ code: 'K4NET_KEY_MISMATCH', expected: one, actual: two }));
  });

  it('is rejected if it is revoked, whatever the server shows', () => {
    for (const actual of [undefined, one, two]) {
      expect(() => {
        checkKnownHost({ ...known, state: 'revoked' }, actual);
      }).toThrow(expect.objectContaining({ code: 'K4NET_SERVER_AUTH' }));
    }
  });
});

describe('the known-hosts file', () => {
  it('is made with its folders, readable for its owner only', async () => {
    const deep = join(folder.path, 'a', 'b', 'known_hosts');
    await fileKnownHosts(deep).addIfAbsent(name, one);
    expect(readdirSync(join(folder.path, 'a', 'b'))).toEqual(['known_hosts']);
    if (!onPosix) return;
    expect(statSync(deep).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'a')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder.path, 'a', 'b')).mode & 0o777).toBe(0o700);
  });

  it('is not made by a get', async () => {
    expect(await fileKnownHosts(path).get(name)).toBeUndefined();
    await fileKnownHosts(path).touch(name, one);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('has one line for each name, and keeps comments', async () => {
    const before = '# mine\r\n\n  other:1  whatever\tit says \xff\nthird:1 k4net1';
    write(before);
    const store = fileKnownHosts(path);
    await store.addIfAbsent('[::1]:9000', one);
    const added = `${before}\n[::1]:9000 k4net1 ${one} pinned 2026-01-31 2026-01-31\n`;
    expect(content()).toBe(added);
    await store.replace('[::1]:9000', two, 'revoked');
    expect(content()).toBe(added.replace(one, two).replace('pinned', 'revoked'));
  });

  it('is read with the line ends and spaces of any editor', async () => {
    const line = (host: string) => `${host} k4net1 ${one} pinned 2026-01-31 2026-01-31`;
    write(`\xef\xbb\xbf${line('a:1')}\r\n\t${line('B:1').replaceAll(' ', '  ')} \r${line('c:1')}`);
    const store = fileKnownHosts(path);
    for (const host of ['a:1', 'b:1', 'c:1']) {
      expect(await store.get(host)).toMatchObject({ name: host, fingerprint: one });
    }
    await store.replace('a:1', two);
    expect(content()).toMatch(/^\xef\xbb\xbfa:1 k4net1 sha256:2+ pinned 2026-01-31 2026-01-31\r\n\tB:1/);
  });

  it('is written by a touch only on another day', async () => {
    const store = fileKnownHosts(path);
    await store.addIfAbsent(name, one);
    const { ino } = statSync(path);
    await store.touch(name, one);
    await store.addIfAbsent(name, one);
    expect(statSync(path).ino).toBe(ino);
  });

  it.each([
    ['no key', name],
    ['another kind', `${name} k4net2 ${one} pinned 2026-01-31 2026-01-31`],
    ['half a fingerprint', `${name} k4net1 ${one.slice(0, 40)}`],
    ['no such state', `${name} k4net1 ${one} trusted 2026-01-31 2026-01-31`],
    ['no dates', `${name} k4net1 ${one} pinned`],
    ['a day that never was', `${name} k4net1 ${one} pinned 2026-02-31 2026-03-01`],
    ['more words', `${name} k4net1 ${one} pinned 2026-01-31 2026-01-31 x`],
    ['the name in capitals and no key', name.toUpperCase()],
  ])('is refused for an entry with %s, and not changed', async (_, line) => {
    write(`# first\n${line}\n`);
    const store = fileKnownHosts(path);
    for (const ask of [() => store.get(name), () => store.addIfAbsent(name, one)]) {
      const error: unknown = await ask().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(FileError);
      expect(error).toMatchObject({ path, code: 'K4NET_FILE' });
      expect((error as Error).message).toContain('line 2');
    }
    await store.touch(name, one);
    expect(content()).toBe(`# first\n${line}\n`);
    expect(await store.get('other:1')).toBeUndefined();
    // A replace corrects the line.
    await store.replace(name, two);
    expect(await store.get(name)).toMatchObject({ fingerprint: two });
  });

  it('is refused for two lines of one name, for UTF-16 and over its size limit', async () => {
    const store = fileKnownHosts(path);
    const line = `${name} k4net1 ${one} pinned 2026-01-31 2026-01-31\n`;
    write(`${line}\n${line}`);
    await expect(store.get(name)).rejects.toThrow(`two lines for '${name}': 1 and 3`);
    await expect(store.replace(name, two)).rejects.toThrow(/two lines/);
    write(Buffer.from(line, 'utf16le').toString('latin1'));
    await expect(store.get(name)).rejects.toThrow(/not text/);
    write(`${'#'.repeat(1_048_576)}\n`);
    await expect(store.get(name)).rejects.toThrow(/exceeds the limit of 1048576/);
    write(`${'#'.repeat(1_048_500)}\n`);
    await expect(store.addIfAbsent(name, one)).rejects.toThrow(/would exceed the limit/);
    expect(readdirSync(join(folder.path, 'k4net'))).toEqual(['known_hosts']);
  });

  it.each([
    ['a form feed', '\x0c'],
    ['a vertical tab', '\v'],
    ['a byte 0xA0', '\xa0'],
    ['a no-break space in UTF-8', '\xc2\xa0'],
    ['a space and a form feed', ' \x0c'],
    ['a second byte order mark', '\xef\xbb\xbf\xef\xbb\xbf'],
    ['a zero-width space in UTF-8', '\xe2\x80\x8b'],
    ['an escape', '\x1b'],
  ])('is refused for a line that begins with %s, and not changed', async (_, odd) => {
    const line = `${name} k4net1 ${one} revoked 2026-01-31 2026-01-31`;
    for (const text of [
      `# first\n${odd}${line}\n`,
      `# first\n${line.replace(' ', odd.replace(/^ /, ''))}\n`,
    ]) {
      write(text);
      const store = fileKnownHosts(path);
      for (const ask of [
        () => store.get(name),
        () => store.addIfAbsent(name, two),
        () => store.addIfAbsent('other:1', two),
      ]) {
        const error: unknown = await ask().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(FileError);
        expect((error as Error).message).toContain('name of line 2');
      }
      expect(content()).toBe(text);
    }
  });

  it('loses only the line of a server that is removed, valid or not', async () => {
    const line = (host: string) => `${host} k4net1 ${one} pinned 2026-01-31 2026-01-31\n`;
    const store = fileKnownHosts(path);
    for (const removed of [line(name), `${name} what is this\n`]) {
      write(`# mine\n${line('a:1')}${removed}${line('b:1')}`);
      expect(await store.remove(name)).toBe(true);
      expect(content()).toBe(`# mine\n${line('a:1')}${line('b:1')}`);
    }
    write(line(name) + line(name));
    await expect(store.remove(name)).rejects.toThrow(/two lines/);
  });

  it('is listed with an error in place of every line that no lookup would accept', async () => {
    expect(await listKnownHosts(path)).toEqual([]);
    const line = (host: string) => `${host} k4net1 ${one} pinned 2026-01-31 2026-02-01\n`;
    write(`# mine\n\n${line('A:1')}b:1 what is this\n${line('a:1')}${line('c:1')}`);
    const known = { fingerprint: one, state: 'pinned', firstSeen: '2026-01-31', lastSeen: '2026-02-01' };
    const found = await listKnownHosts(path);
    expect(found).toEqual([
      { ...known, name: 'a:1' },
      expect.any(FileError),
      expect.any(FileError),
      { ...known, name: 'c:1' },
    ]);
    const messages = found.map((each) => (each instanceof FileError ? each.message : each.name));
    expect(messages[1]).toContain("invalid line for 'b:1': line 4");
    expect(messages[2]).toContain("two lines for 'a:1': 3 and 5");
  });

  it('may have any bytes in comments and after a name', async () => {
    write('# \x0c\xa0\n\n \t\nother:1 k4net1 \xa0\x0c\n');
    expect(await fileKnownHosts(path).get(name)).toBeUndefined();
  });

  it('is searched for every spelling of a name, and refused for two spellings of one name', async () => {
    const line = (host: string) => `${host} k4net1 ${one} pinned 2026-01-31 2026-01-31\n`;
    write(line('[0:0:0:0:0:0:0:1]:9000') + line('Example.org.:9000'));
    const store = fileKnownHosts(path);
    expect(await store.get('[::1]:9000')).toMatchObject({ name: '[::1]:9000', fingerprint: one });
    expect(await store.addIfAbsent(name, two)).toMatchObject({ name, fingerprint: one });
    write(line('[::1]:9000') + line('[0::1]:9000'));
    await expect(store.get('[::1]:9000')).rejects.toThrow("two lines for '[::1]:9000': 1 and 2");
  });

  it('stays at the target of a link, with its permissions', async () => {
    if (!onPosix) return;
    const real = join(folder.path, 'dotfiles');
    writeFileSync(real, '');
    chmodSync(real, 0o640);
    const link = join(folder.path, 'link');
    symlinkSync('dotfiles', link);
    await fileKnownHosts(link).addIfAbsent(name, one);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(real, 'utf8')).toContain(name);
    expect(statSync(real).mode & 0o777).toBe(0o640);
  });

  it('may be read-only as long as nothing is new', async () => {
    const store = fileKnownHosts(path);
    await store.addIfAbsent(name, one);
    vi.setSystemTime(Date.UTC(2026, 5, 1));
    const { promises } = process.getBuiltinModule('node:fs');
    const refused = Object.assign(new Error('EROFS'), { code: 'EROFS' });
    vi.spyOn(promises, 'writeFile').mockRejectedValue(refused);
    const open = promises.open.bind(promises);
    vi.spyOn(promises, 'open').mockImplementation((...args) =>
      args[1] === 'wx' ? Promise.reject(refused) : open(...args),
    );
    expect(await store.addIfAbsent(name, two)).toMatchObject({ fingerprint: one });
    await store.touch(name, one);
    await expect(store.addIfAbsent('new:1', one)).rejects.toBeInstanceOf(FileError);
    // A change that failed does not block the next one.
    vi.restoreAllMocks();
    await store.addIfAbsent('new:1', one);
  });

  it('is changed again from its current content if the lock was lost', async () => {
    const store = fileKnownHosts(path);
    await store.addIfAbsent(name, one);
    const { promises } = process.getBuiltinModule('node:fs');
    const open = promises.open.bind(promises);
    const isTemporary = (file: unknown) => String(file).endsWith('.tmp');
    // Just before the change becomes visible, another process takes over the lock, adds an entry
    // and exits.
    let others = 1;
    const spy = vi.spyOn(promises, 'open').mockImplementation(async (...args) => {
      const handle = await open(...args);
      if (!isTemporary(args[0]) || others === 0) return handle;
      others -= 1;
      const chmod = handle.chmod.bind(handle);
      handle.chmod = async (mode) => {
        await chmod(mode);
        writeFileSync(path, `${content()}other:1 k4net1 ${two} pinned 2026-01-31 2026-01-31\n`);
        await promises.rm(`${path}.lock`);
      };
      return handle;
    });
    await store.addIfAbsent('third:1', one);
    expect(spy.mock.calls.filter(([file]) => isTemporary(file))).toHaveLength(2);
    for (const host of [name, 'other:1', 'third:1']) expect(await store.get(host)).toBeDefined();
  });
});

describe('the default known-hosts file', () => {
  it.each([
    ['linux', { XDG_CONFIG_HOME: '/x/config' }, '/x/config/k4net/known_hosts'],
    ['darwin', { XDG_CONFIG_HOME: undefined }, posix.join(homedir(), '.config/k4net/known_hosts')],
    ['linux', { XDG_CONFIG_HOME: 'not/absolute' }, posix.join(homedir(), '.config/k4net/known_hosts')],
    ['win32', { APPDATA: 'C:\\Users\\u\\Roaming' }, 'C:\\Users\\u\\Roaming\\k4net\\known_hosts'],
    ['win32', { APPDATA: undefined }, win32.join(homedir(), 'AppData\\Roaming\\k4net\\known_hosts')],
  ])('on %s with %j is %s', (system, variables, expected) => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue(system as NodeJS.Platform);
    for (const [key, value] of Object.entries(variables)) vi.stubEnv(key, value);
    expect(defaultKnownHostsPath()).toBe(expected);
  });

  it('is used by a store without a path', async () => {
    if (!onPosix) return;
    vi.stubEnv('XDG_CONFIG_HOME', folder.path);
    await fileKnownHosts().addIfAbsent(name, one);
    expect(content()).toContain(name);
  });

  it('is a FileError for a user without a home folder', () => {
    vi.stubEnv('XDG_CONFIG_HOME', undefined);
    vi.stubEnv('APPDATA', undefined);
    vi.spyOn(process.getBuiltinModule('node:os'), 'homedir').mockImplementation(() => {
      throw new Error('ENOENT');
    });
    expect(() => fileKnownHosts()).toThrow(/name a path/);
  });

  it('needs a runtime with files', async () => {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    const unsupported = expect.objectContaining({ code: 'K4NET_UNSUPPORTED' }) as Error;
    expect(() => fileKnownHosts()).toThrow(unsupported);
    await expect(fileKnownHosts('x').get(name)).rejects.toThrow(unsupported);
    expect(() => fileKnownHosts('')).toThrow(TypeError);
  });
});

describe('several processes that add known hosts', () => {
  let compiled: ReturnType<typeof temporaryFolder>;
  beforeAll(() => {
    compiled = temporaryFolder();
    compileTo(compiled.path);
  });
  afterAll(() => {
    compiled.remove();
  });

  it('lose no entry', async () => {
    const [processes, each] = [6, 12];
    await race(
      compiled.path,
      processes,
      (index) => `
        const store = fileKnownHosts(${JSON.stringify(path)});
        for (let number = 0; number < ${each}; number += 1) {
          await store.addIfAbsent('host-${index}:' + number, ${JSON.stringify(one)});
        }`,
    );
    const lines = content().trim().split('\n');
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(processes * each);
    expect(lines).toHaveLength(processes * each);
    expect(readdirSync(join(folder.path, 'k4net'))).toEqual(['known_hosts']);
  });

  it('agree on one key for a name', async () => {
    const seen = await race(
      compiled.path,
      6,
      (index) => `
        const store = fileKnownHosts(${JSON.stringify(path)});
        console.log((await store.addIfAbsent('same:1', 'sha256:' + '${index}'.repeat(64))).fingerprint);`,
    );
    expect(new Set(seen).size).toBe(1);
    expect((await fileKnownHosts(path).get('same:1'))?.fingerprint).toBe(seen[0]);
  });
});
