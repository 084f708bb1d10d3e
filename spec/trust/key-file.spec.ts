import { createPrivateKey, createPublicKey, generateKeyPairSync, type webcrypto } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { inspect } from 'node:util';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type KeyPair, generateKeyPair, importKeyPair } from '../../lib/crypto/key-pair.js';
import { FileError, K4netError, KeyMismatchError } from '../../lib/errors.js';
import {
  keyFile,
  loadClientPin,
  loadServerKey,
  readServerKey,
  saveClientPin,
} from '../../lib/trust/key-file.js';
import { compileTo, race, temporaryFolder } from './processes.js';
import { takeWarnings } from '../support/warnings.js';

const onPosix = process.platform !== 'win32';

let folder: ReturnType<typeof temporaryFolder>;
let keyPath: string;
let keys: webcrypto.CryptoKeyPair;
let first: KeyPair;
let second: KeyPair;

const { subtle } = globalThis.crypto;
const rsa = {
  name: 'RSA-OAEP',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};

beforeAll(async () => {
  keys = await subtle.generateKey(rsa, true, ['encrypt', 'decrypt']);
  [first, second] = await Promise.all([importKeyPair(keys), generateKeyPair({ keySize: 2048 })]);
});
beforeEach(() => {
  folder = temporaryFolder();
  keyPath = join(folder.path, 'server');
});
afterEach(() => {
  vi.restoreAllMocks();
  folder.remove();
});

const rejection = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('is fulfilled'),
    (error: unknown) => error,
  );

/**
 * Makes the library generate `first`, because a real key takes long; the processes below make real
 * ones.
 */
function quickKeys(meanwhile: () => void = () => undefined): ReturnType<typeof vi.fn> {
  return vi.spyOn(subtle, 'generateKey').mockImplementation(() => {
    meanwhile();
    return Promise.resolve(keys);
  });
}

/** Checks that an error names the file and quotes nothing of its content. */
async function refuses(promise: Promise<unknown>, path: string, what: RegExp): Promise<void> {
  const error = await rejection(promise);
  expect(error).toBeInstanceOf(FileError);
  expect(K4netError.is(error, 'K4NET_FILE')).toBe(true);
  expect(error).toMatchObject({ path, message: expect.stringMatching(what) as string });
  expect((error as Error).message).toContain(`'${path}'`);
  const shown = inspect(error, { depth: 10, showHidden: true });
  const content = existsSync(path) && statSync(path).isFile() ? readFileSync(path, 'latin1') : '';
  for (const [run] of content.matchAll(/[A-Za-z0-9+/]{24,}/g)) expect(shown).not.toContain(run);
}

describe('the path of a key file', () => {
  it.each([
    ['server', '.sk', 'server.sk'],
    ['server', '.pk', 'server.pk'],
    ['server.sk', '.sk', 'server.sk'],
    ['server.sk', '.pk', 'server.pk'],
    ['server.pk', '.sk', 'server.sk'],
    ['a/server.pk', '.pk', 'a/server.pk'],
    ['server.pem', '.sk', 'server.pem.sk'],
  ] as const)('is, for keyPath %s and suffix %s, %s', (path, suffix, expected) => {
    expect(keyFile(path, suffix)).toBe(expected);
  });

  it.each(['', 'folder/', '.sk', 'folder/.pk', 'a\0b', 7 as unknown as string])(
    'is a TypeError for keyPath %j',
    (path) => {
      expect(() => keyFile(path, '.sk')).toThrow(TypeError);
    },
  );
});

describe("a server's key", () => {
  it('is made and saved if it is missing, and read from then on', async () => {
    const generateKey = quickKeys();
    const made = await loadServerKey(keyPath);
    expect(generateKey.mock.calls).toMatchObject([
      [{ ...rsa, modulusLength: 3072 }, true, ['encrypt', 'decrypt']],
    ]);
    expect(made.fingerprint).toBe(first.fingerprint);
    expect(readdirSync(folder.path)).toEqual(['server.sk']);
    const text = readFileSync(`${keyPath}.sk`, 'utf8');
    expect(text).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    if (onPosix) expect(statSync(`${keyPath}.sk`).mode & 0o777).toBe(0o600);
    expect((await loadServerKey(keyPath)).fingerprint).toBe(made.fingerprint);
    expect((await loadServerKey(`${keyPath}.sk`)).fingerprint).toBe(made.fingerprint);
    expect(readFileSync(`${keyPath}.sk`, 'utf8')).toBe(text);
  });

  it('is made with the given keySize', async () => {
    const generateKey = quickKeys();
    await loadServerKey(keyPath, 4096);
    expect(generateKey.mock.calls).toMatchObject([[{ modulusLength: 4096 }, true, ['encrypt', 'decrypt']]]);
    await expect(loadServerKey(join(folder.path, 'other'), 1024 as never)).rejects.toThrow(RangeError);
    expect(readdirSync(folder.path)).toEqual(['server.sk']);
  });

  it('is used whatever its size if it is there', async () => {
    writeFileSync(`${keyPath}.sk`, first.toPem(), { mode: 0o600 });
    expect((await loadServerKey(keyPath, 4096)).fingerprint).toBe(first.fingerprint);
  });

  it('that must exist is read, and never made', async () => {
    const generateKey = quickKeys();
    await refuses(readServerKey(keyPath), `${keyPath}.sk`, /is missing: .*only the first one is made/);
    expect(generateKey).not.toHaveBeenCalled();
    expect(readdirSync(folder.path)).toEqual([]);
    writeFileSync(`${keyPath}.sk`, first.toPem(), { mode: 0o600 });
    expect((await readServerKey(keyPath)).fingerprint).toBe(first.fingerprint);
  });

  it('is read from PKCS#1', async () => {
    const old = createPrivateKey(first.toPem()).export({ type: 'pkcs1', format: 'pem' });
    writeFileSync(`${keyPath}.sk`, old, { mode: 0o600 });
    expect((await loadServerKey(keyPath)).fingerprint).toBe(first.fingerprint);
    expect(readFileSync(`${keyPath}.sk`, 'utf8')).toBe(old);
  });

  it('is the one that another process has made in the meantime', async () => {
    quickKeys(() => {
      writeFileSync(`${keyPath}.sk`, second.toPem(), { mode: 0o600 });
    });
    expect((await loadServerKey(keyPath)).fingerprint).toBe(second.fingerprint);
    expect(readdirSync(folder.path)).toEqual(['server.sk']);
  });

  it('warns once about a file that others can read', async () => {
    if (!onPosix) return;
    writeFileSync(`${keyPath}.sk`, first.toPem(), { mode: 0o644 });
    await loadServerKey(keyPath);
    await loadServerKey(keyPath);
    const given = await takeWarnings();
    expect(given).toHaveLength(1);
    expect(given[0]).toMatchObject({
      name: 'K4netWarning',
      code: 'K4NET_KEY_PERMISSIONS',
      message: expect.stringContaining(`the private key file '${keyPath}.sk' (mode 0644)`) as string,
    });
    const closed = join(folder.path, 'closed');
    writeFileSync(`${closed}.sk`, first.toPem(), { mode: 0o600 });
    await loadServerKey(closed);
    expect(await takeWarnings()).toEqual([]);
  });

  it('warns once about a file of another user, unless that is root', async () => {
    if (!process.geteuid) return;
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    writeFileSync(`${keyPath}.sk`, first.toPem(), { mode: 0o600 });
    await loadServerKey(keyPath);
    expect(emitWarning).not.toHaveBeenCalled();
    const owner = statSync(`${keyPath}.sk`).uid;
    vi.spyOn(process, 'geteuid').mockReturnValue(owner + 4242);
    await loadServerKey(keyPath);
    await loadServerKey(keyPath);
    // Root can read every file anyway.
    expect(emitWarning).toHaveBeenCalledTimes(owner === 0 ? 0 : 1);
    if (owner === 0) {
      chownSync(`${keyPath}.sk`, 1000, 1000);
      await loadServerKey(keyPath);
      await loadServerKey(keyPath);
    }
    expect(emitWarning.mock.calls).toEqual([
      [
        expect.stringContaining(`'${keyPath}.sk' belongs to another user (${statSync(`${keyPath}.sk`).uid})`),
        { type: 'K4netWarning', code: 'K4NET_KEY_OWNER' },
      ],
    ]);
  });

  const der = (bits: number, publicExponent?: number) =>
    generateKeyPairSync('rsa', { modulusLength: bits, publicExponent }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
  const encrypted = (type: 'pkcs1' | 'pkcs8') =>
    createPrivateKey(first.toPem()).export({
      type,
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    });

  it.each<[string, () => string | Uint8Array | Promise<string>, RegExp]>([
    ['an empty file', () => '', /is empty/],
    ['words', () => 'no key at all, but words', /holds no private key: .*no block/],
    ['bytes that are no text', () => new Uint8Array([0x30, 0x82, 0xff, 0xfe]), /is not text/],
    ['half of a key', () => first.toPem().slice(0, 700), /holds no private key/],
    [
      'a key with a hole in it',
      () => first.toPem().split('\n').toSpliced(5, 3).join('\n'),
      /holds no private key/,
    ],
    ['a public key', () => first.publicKey.toPem(), /holds no private key: .*no block/],
    ['a PKCS#8 that is encrypted', () => encrypted('pkcs8'), /is encrypted with a passphrase/],
    ['a PKCS#1 that is encrypted', () => encrypted('pkcs1'), /is encrypted with a passphrase/],
    ['a key of 1024 bits', () => der(1024), /2048 to 4096 bits, not 1024/],
    ['a key with exponent 3', () => der(2048, 3), /public exponent of an RSA key must be 65537/],
    [
      'a P-256 key',
      async () => (await generateKeyPair({ type: 'p256' })).toPem(),
      /holds a P-256 key, but the key of a server must be RSA/,
    ],
    ['a file over the limit', () => `${first.toPem()}${'\n'.repeat(65_536)}`, /exceeds the limit of 65536/],
  ])('is a FileError for a file that is %s', async (_, make, what) => {
    const content = await make();
    writeFileSync(`${keyPath}.sk`, content, { mode: 0o600 });
    await refuses(loadServerKey(keyPath), `${keyPath}.sk`, what);
    expect(readFileSync(`${keyPath}.sk`)).toEqual(Buffer.from(content));
  });

  it('is a FileError for a folder, a dangling link, and a missing folder', async () => {
    quickKeys();
    mkdirSync(`${keyPath}.sk`);
    await refuses(loadServerKey(keyPath), `${keyPath}.sk`, /is not a file/);
    const nowhere = join(folder.path, 'nowhere');
    if (onPosix) {
      symlinkSync('missing', `${nowhere}.sk`);
      await refuses(loadServerKey(nowhere), `${nowhere}.sk`, /a dangling link/);
    }
    const outside = join(folder.path, 'no', 'such', 'server');
    await refuses(loadServerKey(outside), `${outside}.sk`, /cannot be made \(ENOENT\)/);
  });

  it('is a FileError with the path if the system refuses to read the file', async () => {
    const fs = process.getBuiltinModule('node:fs');
    writeFileSync(`${keyPath}.sk`, first.toPem(), { mode: 0o600 });
    const refused = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    vi.spyOn(fs.promises, 'open').mockRejectedValue(refused);
    await refuses(loadServerKey(keyPath), `${keyPath}.sk`, /cannot be read \(EACCES\)/);
  });

  it('is K4NET_UNSUPPORTED in a runtime without files', async () => {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    expect(await rejection(loadServerKey(keyPath))).toMatchObject({ code: 'K4NET_UNSUPPORTED' });
  });
});

describe("a client's pin", () => {
  it('is undefined until it is saved', async () => {
    expect(await loadClientPin(keyPath)).toBeUndefined();
    await saveClientPin(keyPath, first.publicKey);
    expect(readdirSync(folder.path)).toEqual(['server.pk']);
    expect(readFileSync(`${keyPath}.pk`, 'utf8')).toBe(first.publicKey.toPem());
    expect((await loadClientPin(keyPath))?.fingerprint).toBe(first.fingerprint);
    await saveClientPin(keyPath, first.publicKey);
  });

  it('is never replaced', async () => {
    await saveClientPin(keyPath, first.publicKey);
    const error = await rejection(saveClientPin(keyPath, second.publicKey));
    expect(error).toBeInstanceOf(KeyMismatchError);
    expect(error).toMatchObject({
      code: 'K4NET_KEY_MISMATCH',
      expected: first.fingerprint,
      actual: second.fingerprint,
    });
    expect((await loadClientPin(keyPath))?.fingerprint).toBe(first.fingerprint);
    expect(readdirSync(folder.path)).toEqual(['server.pk']);
  });

  it('is read from PKCS#1 too', async () => {
    const old = createPublicKey(first.publicKey.toPem()).export({ type: 'pkcs1', format: 'pem' });
    writeFileSync(`${keyPath}.pk`, old);
    expect((await loadClientPin(keyPath))?.fingerprint).toBe(first.fingerprint);
  });

  it.each<[string, () => string | Uint8Array | Promise<string>, RegExp]>([
    ['an empty file', () => '', /is empty/],
    ['words', () => 'nothing', /holds no public key/],
    ['a private key', () => first.toPem(), /holds no public key: .*no block 'PUBLIC KEY'/],
    [
      'a P-256 key',
      async () => (await generateKeyPair({ type: 'p256' })).publicKey.toPem(),
      /holds a P-256 key, but the key of a server must be RSA/,
    ],
    [
      'a key of 1024 bits',
      () =>
        generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' }),
      /2048 to 4096 bits, not 1024/,
    ],
  ])('is a FileError for a file that is %s, which a save does not replace', async (_, make, what) => {
    const content = await make();
    writeFileSync(`${keyPath}.pk`, content);
    await refuses(loadClientPin(keyPath), `${keyPath}.pk`, what);
    await refuses(saveClientPin(keyPath, first.publicKey), `${keyPath}.pk`, what);
    expect(readFileSync(`${keyPath}.pk`)).toEqual(Buffer.from(content));
  });
});

describe('processes that start at once', () => {
  let compiled: ReturnType<typeof temporaryFolder>;
  beforeAll(() => {
    compiled = temporaryFolder();
    compileTo(compiled.path);
  });
  afterAll(() => {
    compiled.remove();
  });

  it('make one key that all use', async () => {
    const prints = await race(
      compiled.path,
      8,
      () => `console.log((await loadServerKey(${JSON.stringify(keyPath)}, 2048)).fingerprint);`,
    );
    expect(prints).toHaveLength(8);
    expect(new Set(prints)).toEqual(new Set([(await loadServerKey(keyPath)).fingerprint]));
    expect(readdirSync(folder.path)).toEqual(['server.sk']);
  });

  it('pin one key, and the others get a KeyMismatchError', async () => {
    const pems = [first, second].map(({ publicKey }) => JSON.stringify(publicKey.toPem()));
    const ends = await race(
      compiled.path,
      4,
      (index) => `
        const { importPublicKey } = await import('./crypto/public-key.js');
        const key = await importPublicKey(${pems[index % 2]!});
        console.log(await saveClientPin(${JSON.stringify(keyPath)}, key).then(() => 'pinned', (error) => error.code));`,
    );
    const pinned = (await loadClientPin(keyPath))?.fingerprint;
    const winner = pinned === first.fingerprint ? 0 : 1;
    expect([first, second][winner]?.fingerprint).toBe(pinned);
    expect(ends).toEqual([0, 1, 0, 1].map((index) => (index === winner ? 'pinned' : 'K4NET_KEY_MISMATCH')));
  });
});
