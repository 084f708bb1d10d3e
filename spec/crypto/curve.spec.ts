import { afterEach, describe, expect, it, vi } from 'vitest';
import { isCurvePoint } from '../../lib/crypto/curve.js';
import { importPublicKey } from '../../lib/crypto/public-key.js';
import { webBackend } from '../../lib/crypto/suite.js';
import { failure } from '../support/sockets.js';

const prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

const pointOf = (x: bigint, y: bigint): Uint8Array =>
  Uint8Array.from([
    4,
    ...[x, y].flatMap((each) => [...Buffer.from(each.toString(16).padStart(64, '0'), 'hex')]),
  ]);

// The base point of the curve, and the modulus.
const baseX = 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n;
const baseY = 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n;
const modulus = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const base = pointOf(baseX, baseY);

const wrong: readonly (readonly [what: string, point: Uint8Array])[] = [
  ['off the curve', pointOf(baseX, baseY + 1n)],
  ['zero', pointOf(0n, 0n)],
  ['with the largest coordinates', pointOf(2n ** 256n - 1n, 2n ** 256n - 1n)],
  ['compressed', Uint8Array.from([3, ...base.subarray(1, 33)])],
  ['of a hybrid form', Uint8Array.from([7, ...base.subarray(1)])],
  ['too short', base.subarray(0, 64)],
  ['too long', Uint8Array.from([...base, 0])],
  ['empty', new Uint8Array()],
];

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a point of P-256', () => {
  it('is on the curve, and so is its negative', () => {
    expect(isCurvePoint(base)).toBe(true);
    expect(isCurvePoint(pointOf(baseX, modulus - baseY))).toBe(true);
  });

  it('is on the curve when a runtime has generated it', async () => {
    for (let i = 0; i < 20; i += 1) expect(isCurvePoint((await webBackend.newShare()).share)).toBe(true);
  });

  it('stays on the curve for no single changed bit', () => {
    for (let bit = 0; bit < 65 * 8; bit += 1) {
      const changed = base.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(isCurvePoint(changed)).toBe(false);
    }
  });

  it('is smaller than the modulus in both coordinates', () => {
    // x = 5 has a point on the curve, and 5 + p fits into 32 bytes.
    const y = 0x459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbccn;
    expect(isCurvePoint(pointOf(5n, y))).toBe(true);
    expect(isCurvePoint(pointOf(5n + modulus, y))).toBe(false);
  });

  it.each(wrong)('that is %s is refused before the runtime imports it', async (_what, point) => {
    const share = await webBackend.newShare();
    const importKey = vi.spyOn(crypto.subtle, 'importKey');
    expect(isCurvePoint(point)).toBe(false);
    expect(await share.agree(point)).toBeUndefined();
    expect(importKey).not.toHaveBeenCalled();
  });

  it('that is off the curve makes a public key malformed, without the help of the runtime', async () => {
    const importKey = vi.spyOn(crypto.subtle, 'importKey');
    const spki = Buffer.concat([prefix, pointOf(baseX, baseY + 1n)]);
    expect((await failure(importPublicKey(spki), 'K4NET_MALFORMED')).message).toContain('not on the curve');
    expect(importKey).not.toHaveBeenCalled();
    expect((await importPublicKey(Buffer.concat([prefix, base]))).type).toBe('p256');
  });
});
