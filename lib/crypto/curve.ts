import { type Bytes, toHex } from '../util/bytes.js';

// P-256 has the points of y² = x³ - 3x + b modulo p (FIPS 186-5, SP 800-186).
const p = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/**
 * Whether the bytes are an uncompressed point of P-256: 04, X, Y. Not every runtime refuses to
 * import another point: Deno fails only when it is used. Points are public, so the time of the
 * check may depend on them.
 */
export function isCurvePoint(point: Bytes): boolean {
  if (point.length !== 65 || point[0] !== 4) return false;
  const x = toBigInt(point.subarray(1, 33));
  const y = toBigInt(point.subarray(33));
  return x < p && y < p && (y * y - x * x * x + 3n * x - b) % p === 0n;
}

function toBigInt(bytes: Bytes): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}
