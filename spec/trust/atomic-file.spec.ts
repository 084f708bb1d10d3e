import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { FileError } from '../../lib/errors.js';
import { createOnce, replaceFile } from '../../lib/trust/atomic-file.js';
import { withFileLock } from '../../lib/trust/file-lock.js';
import { readSmallFile } from '../../lib/trust/small-file.js';
import { compileTo, startProcess, temporaryFolder } from './processes.js';

const { promises } = process.getBuiltinModule('node:fs');
const onPosix = process.platform !== 'win32';
const text = (words: string) => new TextEncoder().encode(words);
const systemError = (code: string) => Object.assign(new Error(code), { code });

let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, 'file');
});
afterEach(() => {
  vi.restoreAllMocks();
  folder.remove();
});

describe('an atomic file that is made once', () => {
  const ways: [string, () => void][] = [
    ['by a link', () => undefined],
    ['without links', () => vi.spyOn(promises, 'link').mockRejectedValue(systemError('EPERM'))],
  ];

  it.each(ways)('has its mode, and leaves no other file, %s', async (_, prepare) => {
    prepare();
    expect(await createOnce(path, text('one'), 0o600)).toBe('made');
    expect(readFileSync(path, 'utf8')).toBe('one');
    if (onPosix) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(path).nlink).toBe(1);
    expect(readdirSync(folder.path)).toEqual(['file']);
  });

  it.each(ways)('does not replace an existing file, %s', async (_, prepare) => {
    prepare();
    writeFileSync(path, 'old');
    expect(await createOnce(path, text('new'), 0o600)).toBe('exists');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder.path)).toEqual(['file']);
  });

  it.each(ways)('counts a dangling link as an existing file, %s', async (_, prepare) => {
    if (!onPosix) return;
    prepare();
    symlinkSync('missing', path);
    expect(await createOnce(path, text('new'), 0o600)).toBe('exists');
    expect(readdirSync(folder.path)).toEqual(['file']);
  });

  it.each(ways)('is made by one of many calls, %s', async (_, prepare) => {
    prepare();
    const all = Array.from({ length: 20 }, (__, index) => createOnce(path, text(`number ${index}`), 0o600));
    const ends = await Promise.all(all);
    expect(ends.filter((end) => end === 'made')).toHaveLength(1);
    expect(readFileSync(path, 'utf8')).toBe(`number ${ends.indexOf('made')}`);
    expect(readdirSync(folder.path)).toEqual(['file']);
  });

  it('leaves no temporary file if it fails', async () => {
    vi.spyOn(promises, 'link').mockRejectedValue(systemError('EPERM'));
    vi.spyOn(promises, 'rename').mockRejectedValue(systemError('ENOSPC'));
    const error: unknown = await createOnce(path, text('new'), 0o600).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FileError);
    expect(error).toMatchObject({ path, message: `'${path}' cannot be made (ENOSPC)` });
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe('an atomic file that is replaced', () => {
  const yes = () => Promise.resolve(true);

  it('is made or replaced, and keeps its permissions', async () => {
    expect(await replaceFile(path, text('one'), 0o600, yes)).toBe(true);
    if (onPosix) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      chmodSync(path, 0o664);
    }
    expect(await replaceFile(path, text('two'), 0o600, yes)).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('two');
    if (onPosix) expect(statSync(path).mode & 0o777).toBe(0o664);
    expect(readdirSync(folder.path)).toEqual(['file']);
  });

  it('is not changed once the lock is lost', async () => {
    writeFileSync(path, 'old');
    expect(await replaceFile(path, text('new'), 0o600, () => Promise.resolve(false))).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder.path)).toEqual(['file']);
  });
});

describe.skipIf(!onPosix)('an atomic file in a folder of another user', () => {
  const asRoot = process.getuid?.() === 0;
  const yes = () => Promise.resolve(true);
  let victim: string;

  beforeEach(() => {
    victim = join(folder.path, 'victim');
    writeFileSync(victim, 'secret', { mode: 0o600 });
    writeFileSync(path, 'old');
    chmodSync(path, 0o666);
    if (!asRoot) return;
    chownSync(folder.path, 1000, 1000);
    chownSync(path, 1000, 1000);
  });

  function expectVictimAlone(): void {
    const { mode, uid } = statSync(victim);
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: process.getuid?.() });
    expect(readFileSync(victim, 'utf8')).toBe('secret');
  }

  /** Runs a hook right after the temporary file was written. */
  function afterWrite(hook: (temporary: string) => void): void {
    const open = promises.open.bind(promises);
    vi.spyOn(promises, 'open').mockImplementation(async (...args) => {
      const handle = await open(...args);
      const sync = handle.sync.bind(handle);
      if (String(args[0]).endsWith('.tmp')) {
        handle.sync = async () => {
          await sync();
          hook(String(args[0]));
        };
      }
      return handle;
    });
  }

  function swapForLink(temporary: string): void {
    renameSync(temporary, join(folder.path, 'aside'));
    symlinkSync(victim, temporary);
  }

  it('passes owner and permissions of the old file to the new one, and not to the target of a link', async () => {
    afterWrite(swapForLink);
    const error: unknown = await replaceFile(path, text('new'), 0o600, yes).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(FileError);
    expect(error).toMatchObject({
      message: expect.stringContaining('was replaced by another user') as string,
    });
    expectVictimAlone();
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder.path).sort()).toEqual(['aside', 'file', 'victim']);
  });

  it('is not made from a file that has replaced the temporary one', async () => {
    const fresh = join(folder.path, 'fresh');
    for (const without of [false, true]) {
      if (without) vi.spyOn(promises, 'link').mockRejectedValue(systemError('EPERM'));
      afterWrite(swapForLink);
      await expect(createOnce(fresh, text('new'), 0o600)).rejects.toBeInstanceOf(FileError);
      expect(existsSync(fresh)).toBe(false);
      vi.restoreAllMocks();
    }
    expectVictimAlone();
  });

  it('takes no owner and no permissions from the target of a link in place of the old file', async () => {
    const link = join(folder.path, 'link');
    symlinkSync('file', link);
    expect(await replaceFile(link, text('new'), 0o600, yes)).toBe(true);
    expect(statSync(link)).toMatchObject({ uid: process.getuid?.() });
    expect(statSync(link).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('keeps owner and permissions of the old file without interference', async () => {
    const { uid, gid } = statSync(path);
    expect(await replaceFile(path, text('new'), 0o600, yes)).toBe(true);
    expect(statSync(path)).toMatchObject({ uid, gid });
    expect(statSync(path).mode & 0o777).toBe(0o666);
  });

  it('never changes another file when the temporary one is swapped for a link', async () => {
    const worker = new Worker(
      `const { readdirSync, renameSync, symlinkSync } = require('node:fs');
      const { parentPort, workerData: { folder, victim } } = require('node:worker_threads');
      parentPort.postMessage('ready');
      const link = folder + '/link';
      const swapped = new Set();
      for (;;) {
        for (const name of readdirSync(folder)) {
          if (!name.endsWith('.tmp') || swapped.has(name)) continue;
          try {
            symlinkSync(victim, link);
          } catch {}
          try {
            renameSync(link, folder + '/' + name);
            swapped.add(name);
            if (swapped.size === 20) parentPort.postMessage('swapped');
          } catch {}
        }
      }`,
      { eval: true, workerData: { folder: folder.path, victim } },
    );
    const said = new Set<unknown>();
    const ready = new Promise<void>((resolve) => {
      worker.on('message', (word) => {
        said.add(word);
        resolve();
      });
    });
    try {
      await ready;
      while (!said.has('swapped')) {
        // The old file may be a link by now, if the other process wins the race after the last
        // check.
        await promises.rm(path, { force: true });
        writeFileSync(path, 'old', { mode: 0o666 });
        if (asRoot) chownSync(path, 1000, 1000);
        await replaceFile(path, text('new'), 0o600, yes).catch((error: unknown) => {
          expect(error).toBeInstanceOf(FileError);
        });
        expectVictimAlone();
      }
    } finally {
      await worker.terminate();
    }
  });
});

describe('readSmallFile', () => {
  it('reads a file up to the limit', async () => {
    expect(await readSmallFile(path, 3)).toBeUndefined();
    writeFileSync(path, 'abc', { mode: 0o600 });
    const file = await readSmallFile(path, 3);
    expect(new TextDecoder().decode(file?.bytes)).toBe('abc');
    if (onPosix) expect(file).toMatchObject({ mode: 0o600, uid: process.getuid?.() });
    await expect(readSmallFile(path, 2)).rejects.toThrow(/has 3 bytes, which exceeds the limit of 2/);
  });

  it('refuses a path that is not a file', async () => {
    mkdirSync(path);
    await expect(readSmallFile(path, 9)).rejects.toThrow(/is not a file/);
  });

  it('refuses a pipe without waiting for its other end', async () => {
    if (!onPosix) return;
    execFileSync('mkfifo', [path]);
    await expect(readSmallFile(path, 9)).rejects.toThrow(/is not a file/);
  });

  it('follows a symbolic link unless links are refused', async () => {
    if (!onPosix) return;
    const link = join(folder.path, 'link');
    writeFileSync(path, 'abc');
    symlinkSync('file', link);
    expect((await readSmallFile(link, 3))?.bytes).toEqual(text('abc'));
    await expect(readSmallFile(link, 3, 'refuse')).rejects.toBeInstanceOf(FileError);
  });

  it('reads at most the limit of a file that grows', async () => {
    if (!existsSync('/proc/self/maps')) return;
    // The system reports a size of 0.
    await expect(readSmallFile('/proc/self/maps', 9)).rejects.toThrow(/exceeds the limit of 9/);
  });

  it('fails if a folder in the path is a file, unlike for a missing file', async () => {
    if (!onPosix) return;
    writeFileSync(path, '');
    await expect(readSmallFile(join(path, 'below'), 9)).rejects.toThrow(/cannot be read \(ENOTDIR\)/);
  });
});

describe('a file lock', () => {
  it('runs one task after the other', async () => {
    let inside = 0;
    const task = async () => {
      inside += 1;
      expect(inside).toBe(1);
      await promises.stat(folder.path);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 10 }, () => withFileLock(path, task)));
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('is released after a task that fails, with the error of the task', async () => {
    const error = systemError('ENOENT');
    await expect(withFileLock(path, () => Promise.reject(error))).rejects.toBe(error);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it.each([
    ['of a dead process', '0123456789abcdef', []],
    ['without a token', '', []],
    ['that the library did not make', '../../elsewhere\n', []],
    [
      'of a dead process, and that of the one that died while it removed it',
      '0123456789abcdef',
      [['file.lock.0123456789abcdef', 'fedcba9876543210']],
    ],
  ] as [string, string, [string, string][]][])('is taken over if it is one %s', async (_, token, others) => {
    writeFileSync(`${path}.lock`, token);
    for (const [name, content] of others) writeFileSync(join(folder.path, name), content);
    const all = Array.from({ length: 5 }, () =>
      withFileLock(path, async (held) => held(), { staleAfter: 0 }),
    );
    expect((await Promise.all(all)).length).toBe(5);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('is taken over only if its token stays the same', async () => {
    writeFileSync(`${path}.lock`, '0123456789abcdef');
    const [entered, start] = [vi.fn(), performance.now()];
    await withFileLock(path, () => Promise.resolve(entered()), { staleAfter: 60 });
    expect(entered).toHaveBeenCalledOnce();
    expect(performance.now() - start).toBeGreaterThanOrEqual(60);
  });

  it('fails a holder that was declared dead, and keeps the lock of the next holder', async () => {
    await withFileLock(path, async (held) => {
      expect(await held()).toBe(true);
      writeFileSync(`${path}.lock`, 'another');
      expect(await held()).toBe(false);
    });
    expect(readFileSync(`${path}.lock`, 'utf8')).toBe('another');
  });

  it('rejects with a FileError if it cannot be made', async () => {
    const lost = join(folder.path, 'no', 'folder');
    const error: unknown = await withFileLock(lost, () => Promise.resolve()).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      path: `${lost}.lock`,
      message: expect.stringContaining('ENOENT') as string,
    });
    mkdirSync(`${path}.lock`);
    await expect(withFileLock(path, () => Promise.resolve())).rejects.toBeInstanceOf(FileError);
  });

  it.each<[string, (lock: string) => void]>([
    [
      'a dangling link',
      (lock) => {
        symlinkSync('missing', lock);
      },
    ],
    [
      'a link to a file',
      (lock) => {
        symlinkSync('file', lock);
      },
    ],
    [
      'a link to itself',
      (lock) => {
        symlinkSync('file.lock', lock);
      },
    ],
    ['a pipe', (lock) => execFileSync('mkfifo', [lock])],
    [
      'a folder',
      (lock) => {
        mkdirSync(lock);
      },
    ],
    [
      'a file longer than a lock',
      (lock) => {
        writeFileSync(lock, 'x'.repeat(65));
      },
    ],
  ])('rejects %s in its place at once, and keeps it', async (_, make) => {
    if (!onPosix) return;
    writeFileSync(path, '0123456789abcdef');
    make(`${path}.lock`);
    const entered = vi.fn();
    const error: unknown = await withFileLock(path, () => Promise.resolve(entered()), {
      staleAfter: 0,
    }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FileError);
    expect(error).toMatchObject({ path: `${path}.lock` });
    expect(entered).not.toHaveBeenCalled();
    expect(readdirSync(folder.path).sort()).toEqual(['file', 'file.lock']);
    expect(readFileSync(path, 'utf8')).toBe('0123456789abcdef');
  });

  it('rejects with a FileError if it is not free in time, however often its holder changes', async () => {
    const lock = `${path}.lock`;
    writeFileSync(lock, 'first');
    let turn = 0;
    const writing = setInterval(() => {
      writeFileSync(lock, `holder ${(turn += 1)}`);
    }, 5);
    try {
      const error: unknown = await withFileLock(path, () => Promise.resolve(), {
        staleAfter: 10_000,
        timeout: 100,
      }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(FileError);
      expect(error).toMatchObject({
        path: lock,
        message: expect.stringContaining('within 100 ms') as string,
      });
      expect(turn).toBeGreaterThan(1);
    } finally {
      clearInterval(writing);
    }
  });

  it('is waited for again if a dead holder comes back with the same token', async () => {
    const [lock, token] = [`${path}.lock`, '0123456789abcdef'];
    writeFileSync(lock, token);
    const rm = promises.rm.bind(promises);
    let removals = 0;
    vi.spyOn(promises, 'rm').mockImplementation(async (target, options) => {
      await rm(target, options);
      if (target !== lock) return;
      removals += 1;
      writeFileSync(lock, token);
    });
    await expect(
      withFileLock(path, () => Promise.resolve(), { staleAfter: 50, timeout: 200 }),
    ).rejects.toBeInstanceOf(FileError);
    expect(removals).toBeGreaterThan(0);
    expect(removals).toBeLessThanOrEqual(4);
  });

  it('waits between attempts while it can neither be made nor read', async () => {
    const attempts = vi.spyOn(promises, 'writeFile').mockRejectedValue(systemError('EEXIST'));
    await expect(withFileLock(path, () => Promise.resolve(), { timeout: 100 })).rejects.toBeInstanceOf(
      FileError,
    );
    expect(attempts.mock.calls.length).toBeLessThanOrEqual(101);
  });
});

describe('a process that is killed while it makes files', () => {
  let compiled: ReturnType<typeof temporaryFolder>;
  beforeAll(() => {
    compiled = temporaryFolder();
    compileTo(compiled.path);
  });
  afterAll(() => {
    compiled.remove();
  });

  it.each(['by a link', 'without links'])('leaves no partly written file, %s', async (way) => {
    const length = 200_000;
    for (let round = 0; round < 3; round += 1) {
      const runner = startProcess(
        compiled.path,
        `
        const fs = process.getBuiltinModule('node:fs');
        if (${way === 'without links'}) {
          fs.promises.link = () => Promise.reject(Object.assign(new Error('no'), { code: 'EPERM' }));
        }
        const bytes = new Uint8Array(${length}).fill(7);
        for (let index = 0; ; index += 1) {
          await createOnce(${JSON.stringify(path)} + '-${round}-' + index, bytes, 0o600);
          console.log('made-' + index);
        }`,
      );
      await runner.ready;
      runner.go();
      await runner.line(`made-${round + 2}`);
      runner.child.kill('SIGKILL');
      await runner.ended;
    }
    const names = readdirSync(folder.path).filter((name) => !/\.(tmp|lock)$/.test(name));
    expect(names.length).toBeGreaterThanOrEqual(12);
    for (const name of names) {
      const bytes = readFileSync(join(folder.path, name));
      expect(bytes.length).toBe(length);
      expect(bytes.every((byte) => byte === 7)).toBe(true);
    }
    expect(existsSync(`${path}-0-0`)).toBe(true);
  });
});
