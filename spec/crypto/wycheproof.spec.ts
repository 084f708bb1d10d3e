import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Bytes, concatBytes } from '../../lib/util/bytes.js';
import { chooseBackend, type CipherChoice } from '../../lib/crypto/choose-backend.js';
import { PublicKey } from '../../lib/crypto/public-key.js';
import { agree, importKey, oaepDecrypt } from '../../lib/crypto/suite.js';

interface Test {
  tcId: number;
  result: 'valid' | 'invalid' | 'acceptable';
  [name: string]: unknown;
}
interface Group {
  tests: Test[];
  [name: string]: unknown;
}

// The vectors are not in the repository, because of their license. A run without them skips the
// tests.
const folder = process.env['WYCHEPROOF_DIR'];
const found = folder !== undefined && existsSync(folder);
const hex = (text: unknown): Bytes => new Uint8Array(Buffer.from(String(text), 'hex'));
const toHex = (bytes: Bytes | undefined) => bytes && Buffer.from(bytes).toString('hex');

function groups(file: string): Group[] {
  if (!found) return [];
  return (JSON.parse(readFileSync(join(folder, file), 'utf8')) as { testGroups: Group[] }).testGroups;
}

/** A private P-256 key as PKCS#8 without its public key. */
function pkcs8Of(scalar: Bytes): Bytes {
  const padded = new Uint8Array(32);
  const kept = scalar.subarray(Math.max(0, scalar.length - 32));
  padded.set(kept, 32 - kept.length);
  return concatBytes([hex('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420'), padded]);
}

describe.skipIf(!found)('the Wycheproof test vectors (skipped where WYCHEPROOF_DIR is not set)', () => {
  const backends = ['node', 'webcrypto'] as const;

  it.each(backends)('pass for AES-256-GCM, %s', async (choice) => {
    const backend = chooseBackend(choice);
    const fitting = groups('aes_gcm_test.json').filter(
      (group) => group['keySize'] === 256 && group['ivSize'] === 96 && group['tagSize'] === 128,
    );
    let count = 0;
    for (const test of fitting.flatMap(({ tests }) => tests)) {
      const [key, iv, aad, msg, ct, tag] = ['key', 'iv', 'aad', 'msg', 'ct', 'tag'].map((name) =>
        hex(test[name]),
      ) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
      let opened: Bytes | undefined;
      let sealed: Bytes;
      if (backend.sync) {
        const gcm = backend.gcm(key);
        const parts = gcm.open(iv, aad, [ct], tag);
        opened = parts && concatBytes(parts);
        const made = gcm.seal(iv, aad, [msg]);
        sealed = concatBytes([...made.parts, made.tag]);
      } else {
        const gcm = await backend.gcm(key);
        opened = await gcm.open(iv, aad, concatBytes([ct, tag]));
        sealed = await gcm.seal(iv, aad, msg);
      }
      const valid = test.result === 'valid';
      expect(toHex(opened), `${test.tcId}`).toBe(valid ? toHex(msg) : undefined);
      expect(toHex(sealed) === toHex(concatBytes([ct, tag])), `${test.tcId}`).toBe(valid);
      count += 1;
    }
    expect(count).toBe(66);
  });

  it.each(backends)('pass for HKDF and HMAC, %s', async (choice) => {
    const backend = chooseBackend(choice);
    let count = 0;
    for (const test of groups('hkdf_sha256_test.json').flatMap(({ tests }) => tests)) {
      if (test.result !== 'valid') continue;
      const okm = await backend.hkdf(
        hex(test['ikm']),
        hex(test['salt']),
        hex(test['info']),
        Number(test['size']),
      );
      expect(toHex(okm), `${test.tcId}`).toBe(test['okm']);
      count += 1;
    }
    for (const group of groups('hmac_sha256_test.json')) {
      for (const test of group.tests) {
        const tag = await backend.hmac(hex(test['key']), hex(test['msg']));
        const cut = toHex(tag.subarray(0, Number(group['tagSize']) / 8));
        expect(cut === test['tag'], `${test.tcId}`).toBe(test.result === 'valid');
        count += 1;
      }
    }
    expect(count).toBe(83 + 174);
  });

  const agreement = async (choice: CipherChoice, scalar: Bytes, point: Bytes) => {
    const backend = chooseBackend(choice);
    const pkcs8 = pkcs8Of(scalar);
    if (backend.sync) return backend.newShare(pkcs8.subarray(-32)).agree(point);
    const ecdh = { name: 'ECDH', namedCurve: 'P-256' };
    return agree(await crypto.subtle.importKey('pkcs8', pkcs8, ecdh, false, ['deriveBits']), point);
  };

  it.each(backends)('pass for ECDH with points, %s', async (choice) => {
    let count = 0;
    for (const test of groups('ecdh_secp256r1_ecpoint_test.json').flatMap(({ tests }) => tests)) {
      const shared = await agreement(choice, hex(test['private']), hex(test['public']));
      // The protocol does not use compressed points.
      const good = test.result === 'valid' && hex(test['public']).length === 65;
      expect(toHex(shared), `${test.tcId}`).toBe(good ? test['shared'] : undefined);
      count += 1;
    }
    expect(count).toBe(355);
  });

  it.each(backends)('pass for ECDH with JSON web keys, %s', async (choice) => {
    const coordinate = (text: unknown) => new Uint8Array(Buffer.from(String(text), 'base64url'));
    let count = 0;
    for (const test of groups('ecdh_secp256r1_webcrypto_test.json').flatMap(({ tests }) => tests)) {
      const { x, y, crv } = test['public'] as Record<string, string>;
      const { d } = test['private'] as Record<string, string>;
      if (crv !== 'P-256') continue;
      const share = concatBytes([new Uint8Array([4]), coordinate(x), coordinate(y)]);
      const shared = await agreement(choice, coordinate(d), share);
      expect(toHex(shared), `${test.tcId}`).toBe(test.result === 'valid' ? test['shared'] : undefined);
      count += 1;
    }
    expect(count).toBeGreaterThan(330);
  });

  it('pass for ECDSA', async () => {
    let count = 0;
    for (const group of groups('ecdsa_secp256r1_sha256_p1363_test.json')) {
      const key = await PublicKey.fromSpki(hex(group['publicKeyDer']));
      for (const test of group.tests) {
        const good = await key.verify(hex(test['sig']), hex(test['msg']));
        expect(good, `${test.tcId}`).toBe(test.result === 'valid');
        count += 1;
      }
    }
    expect(count).toBe(262);
  });

  it.each([2048, 3072, 4096])('pass for RSA-OAEP, %i bits', async (bits) => {
    let count = 0;
    for (const group of groups(`rsa_oaep_${bits}_sha256_mgf1sha256_test.json`)) {
      const pkcs8 = hex(group['privateKeyPkcs8']);
      const key = await importKey('decrypt', pkcs8);
      const node = chooseBackend('node');
      const decryptNow = node.sync ? node.oaepDecrypter(pkcs8) : undefined;
      for (const test of group.tests) {
        const opened = await oaepDecrypt(key, hex(test['label']), hex(test['ct']));
        const expected = test.result === 'valid' ? test['msg'] : undefined;
        expect(toHex(opened), `${test.tcId}`).toBe(expected);
        expect(toHex(decryptNow?.(hex(test['label']), hex(test['ct']))), `${test.tcId}`).toBe(expected);
        count += 1;
      }
    }
    expect(count).toBe(37);
  });
});
