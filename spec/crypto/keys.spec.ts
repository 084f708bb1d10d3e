import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { KeyPair } from '../../lib/crypto/key-pair.js';
import { generateKeyPair, importKeyPair } from '../../lib/crypto/key-pair.js';
import { importPublicKey, parseFingerprint } from '../../lib/crypto/public-key.js';
import { K4netError } from '../../lib/errors.js';
import { hex, toHex, vectors } from '../session/vectors.js';

const { keys } = vectors;
const named = Object.entries(keys).map(([name, key]) => ({ name, ...key }));

async function failure(task: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await task;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('keys', () => {
  it.each(named)('import $name from all its forms', async ({ type, bits, pkcs8, spki, id }) => {
    const privateKey = createPrivateKey({ key: Buffer.from(hex(pkcs8)), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(privateKey);
    const sources: (string | Uint8Array)[] = [
      hex(pkcs8),
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    ];
    const publicSources: (string | Uint8Array)[] = [
      hex(spki),
      publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    ];
    if (type === 'rsa') {
      sources.push(privateKey.export({ format: 'der', type: 'pkcs1' }));
      sources.push(privateKey.export({ format: 'pem', type: 'pkcs1' }).toString());
      publicSources.push(publicKey.export({ format: 'der', type: 'pkcs1' }));
      publicSources.push(`words\n${publicKey.export({ format: 'pem', type: 'pkcs1' }).toString()}words`);
    }
    for (const source of sources) {
      const pair = await importKeyPair(source);
      expect(toHex(pair.publicKey.spki)).toBe(spki);
      expect(pair.fingerprint).toBe(`sha256:${id}`);
      expect(pair.toPem()).toBe(privateKey.export({ format: 'pem', type: 'pkcs8' }));
      expect([pair.canDecrypt, pair.canSign]).toEqual([type === 'rsa', true]);
      expect(await importKeyPair(pair)).toBe(pair);
    }
    for (const source of publicSources) {
      const key = await importPublicKey(source);
      expect([key.bits, key.fingerprint, toHex(key.id)]).toEqual([bits, `sha256:${id}`, id]);
      expect(key.toPem()).toBe(publicKey.export({ format: 'pem', type: 'spki' }));
      expect(key.equals(await importPublicKey(hex(spki)))).toBe(true);
    }
  });

  it('are generated in each size, and for clients', async () => {
    for (const [options, bits] of [
      [{}, 3072],
      [{ keySize: 2048 }, 2048],
    ] as const) {
      const server = await generateKeyPair(options);
      expect([server.publicKey.type, server.publicKey.bits, server.canDecrypt]).toEqual(['rsa', bits, true]);
    }
    const client = await generateKeyPair({ type: 'p256' });
    expect([client.publicKey.type, client.canDecrypt, client.canSign]).toEqual(['p256', false, true]);
    const again = await importKeyPair(client.toPem());
    expect(again.fingerprint).toBe(client.fingerprint);
    for (const wrong of [
      { keySize: 1024 },
      { type: 'p256', keySize: 2048 },
      { type: 'dsa' },
      { size: 2048 },
    ]) {
      await expect(generateKeyPair(wrong as never)).rejects.toThrow(
        wrong.keySize === 1024 ? RangeError : TypeError,
      );
    }
  });

  it('work from a CryptoKey that is not extractable', async () => {
    const algorithm = {
      name: 'RSA-OAEP',
      hash: 'SHA-256',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    const made = await webcrypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
    const pair = await importKeyPair(made);
    expect([pair.canDecrypt, pair.canSign]).toEqual([true, false]);
    expect(() => pair.toPem()).toThrow(TypeError);
    await expect(pair.sign(new Uint8Array(1))).rejects.toThrow(TypeError);
    const aes = await webcrypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt']);
    const wrong = { privateKey: aes, publicKey: made.publicKey };
    await expect(importKeyPair(wrong)).rejects.toThrow(TypeError);
    const other = await importKeyPair(hex(keys['server2048']!.pkcs8));
    const mixed = { privateKey: made.privateKey, publicKey: await publicCryptoKey(other) };
    expect((await failure(importKeyPair(mixed))).code).toBe('K4NET_MALFORMED');
  });

  it('find the public key of a P-256 key that does not contain it', async () => {
    const { pkcs8, spki } = keys['clientEc']!;
    const scalar = /0420([0-9a-f]{64})/.exec(pkcs8)![1]!;
    const bare = `3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420${scalar}`;
    expect(toHex((await importKeyPair(hex(bare))).publicKey.spki)).toBe(spki);
  });

  it('are rejected if they are too small, of another kind or damaged', async () => {
    const cases: [unknown, string][] = [
      [generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, 'K4NET_MALFORMED'],
      [generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey, 'K4NET_MALFORMED'],
      [generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'K4NET_UNSUPPORTED'],
      [generateKeyPairSync('ed25519').privateKey, 'K4NET_UNSUPPORTED'],
    ];
    for (const [key, code] of cases) {
      const pem = (key as ReturnType<typeof createPrivateKey>)
        .export({ format: 'pem', type: 'pkcs8' })
        .toString();
      expect((await failure(importKeyPair(pem))).code).toBe(code);
    }
    const encrypted = createPrivateKey({
      key: Buffer.from(hex(keys['server2048']!.pkcs8)),
      format: 'der',
      type: 'pkcs8',
    });
    const options = { format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    for (const type of ['pkcs8', 'pkcs1'] as const) {
      const pem = encrypted.export({ ...options, type }).toString();
      expect((await failure(importKeyPair(pem))).code).toBe('K4NET_UNSUPPORTED');
    }
    for (const source of ['', 'no pem', new Uint8Array(0), new Uint8Array([0x30, 0x80]), hex('300302ff')]) {
      expect((await failure(importKeyPair(source))).code).toBe('K4NET_MALFORMED');
      expect((await failure(importPublicKey(source))).code).toBe('K4NET_MALFORMED');
    }
    for (const source of [null, 5, {}, undefined]) {
      expect(await failure(importKeyPair(source as never))).toBeInstanceOf(TypeError);
      expect(await failure(importPublicKey(source as never))).toBeInstanceOf(TypeError);
    }
  });

  it('never show a private key in an error or when printed', async () => {
    const { pkcs8 } = keys['server2048']!;
    const pair = await importKeyPair(hex(pkcs8));
    await pair.decrypt('x', new Uint8Array(256));
    expect(inspect(pair, { depth: 9, showHidden: true })).not.toMatch(/pkcs8|half|private/i);
    expect(JSON.stringify(pair)).not.toMatch(/pkcs8|private/i);
    const bytes = hex(pkcs8);
    const pem = pair.toPem();
    let failed = 0;
    for (let at = 0; at < bytes.length; at += 97) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0x55;
      const lines = pem.split('\n');
      for (const source of [
        damaged,
        damaged.subarray(0, at),
        pem.slice(0, at),
        pem.replace(pem.slice(100, 103), '*=*'),
      ]) {
        try {
          await importKeyPair(source);
        } catch (error) {
          failed += 1;
          expect(K4netError.is(error)).toBe(true);
          const printed = inspect(error, { depth: 9, showHidden: true });
          for (const line of lines.slice(1, -2)) expect(printed).not.toContain(line.slice(0, 20));
          expect(printed).not.toMatch(/[0-9a-f]{24}/i);
        }
      }
    }
    expect(failed).toBeGreaterThan(30);
  });

  it('have fingerprints in one form', () => {
    const text = `sha256:${'aB'.repeat(32)}`;
    expect(parseFingerprint(text)).toBe(text.toLowerCase());
    for (const wrong of ['', 'sha256:', `${text}0`, text.slice(7), `SHA1:${text.slice(7)}`, 5 as never]) {
      expect(() => parseFingerprint(wrong)).toThrow(TypeError);
    }
  });
});

async function publicCryptoKey(pair: KeyPair): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey(
    'spki',
    Buffer.from(pair.publicKey.spki),
    { name: 'RSA-OAEP', hash: 'SHA-256' },
    true,
    ['encrypt'],
  );
}

it('only one file uses WebCrypto', () => {
  const lib = new URL('../../lib/', import.meta.url);
  const files = readdirSync(lib, { recursive: true }).map(String);
  const speaking = files.filter(
    (file) => file.endsWith('.ts') && /subtle/i.test(readFileSync(new URL(file, lib), 'utf8')),
  );
  expect(speaking.map((file) => file.replaceAll('\\', '/'))).toEqual(['crypto/suite.ts']);
});
