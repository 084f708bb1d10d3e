import { type Bytes, concatBytes, equalBytes, noBytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { type DerElement, derElements, derTag, encodeDer } from './pem-der.js';
import { publicPointOf } from './suite.js';

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const versionZero = hex('020100');
const rsaAlgorithm = hex('300d06092a864886f70d0101010500');
const ecAlgorithm = hex('301306072a8648ce3d020106082a8648ce3d030107');
const rsaOid = hex('06092a864886f70d010101');
const ecOid = hex('06072a8648ce3d0201');
const p256Oid = hex('06082a8648ce3d030107');
const rsaExponent = hex('010001');

/** The bytes before the point (04 X Y) in the canonical DER form of a public P-256 key. */
const p256Prefix = hex('3059301306072a8648ce3d020106082a8648ce3d030107034200');

/**
 * Whether an SPKI is the canonical DER form of a P-256 key. Does not check that its point is on the
 * curve.
 */
export function isP256Spki(spki: Bytes): boolean {
  return spki.length === 91 && spki[26] === 4 && equalBytes(spki.subarray(0, 26), p256Prefix);
}

function sequence(der: Bytes, what: string): DerElement[] {
  const [outer, ...rest] = derElements(der);
  if (outer?.tag !== derTag.sequence || rest.length > 0) {
    throw new K4netError('K4NET_MALFORMED', `${what} is not one sequence of DER`);
  }
  return derElements(outer.content);
}

/** Returns the SPKI of a public key in SPKI or PKCS#1. */
export function toSpki(der: Bytes): Bytes {
  const [first] = sequence(der, 'a public key');
  if (first?.tag !== derTag.integer) return der;
  return encodeDer(derTag.sequence, rsaAlgorithm, encodeDer(derTag.bits, new Uint8Array(1), der));
}

/**
 * Checks the SPKI of a public RSA key, and returns the length of its modulus in bits.
 *
 * @throws K4netError `K4NET_MALFORMED` for another kind of key, for a modulus that is even or not
 * 2048 to 4096 bits long, for an exponent other than 65537, and for a DER form that is not
 * canonical.
 */
export function checkRsaSpki(spki: Bytes): number {
  const [algorithm, wrapped] = sequence(spki, 'a public key');
  const [oid] = algorithm ? derElements(algorithm.content) : [];
  if (!oid || wrapped?.tag !== derTag.bits || !equalBytes(oid.whole, rsaOid)) {
    throw new K4netError('K4NET_MALFORMED', 'a public key is neither RSA nor P-256');
  }
  const [modulus, exponent] = sequence(wrapped.content.subarray(1), 'a public RSA key');
  if (modulus?.tag !== derTag.integer || exponent?.tag !== derTag.integer) {
    throw new K4netError('K4NET_MALFORMED', 'a public RSA key has no modulus and exponent');
  }
  const digits = withoutZeros(modulus.content);
  const bits = Math.max(0, digits.length * 8 + 24 - Math.clz32(digits[0] ?? 0));
  checkRsaNumbers(bits, exponent.content);
  if (((digits.at(-1) ?? 0) & 1) === 0) {
    throw new K4netError('K4NET_MALFORMED', 'the modulus of an RSA key must be odd');
  }
  // Several encodings import as the same key. Only one is accepted, so that a key has one
  // fingerprint.
  const pkcs1 = encodeDer(derTag.sequence, encodeInteger(digits), encodeInteger(rsaExponent));
  if (!equalBytes(toSpki(pkcs1), spki)) {
    throw new K4netError('K4NET_MALFORMED', 'a public key is not in its canonical DER form');
  }
  return bits;
}

/**
 * Checks the size and the exponent of a public RSA key.
 *
 * @throws K4netError `K4NET_MALFORMED` for a modulus that is not 2048 to 4096 bits long, and for an
 * exponent other than 65537.
 */
export function checkRsaNumbers(bits: number, exponent: Bytes): void {
  if (!(bits >= 2048 && bits <= 4096)) {
    throw new K4netError('K4NET_MALFORMED', `an RSA key must have 2048 to 4096 bits, not ${bits}`);
  }
  if (!equalBytes(withoutZeros(exponent), rsaExponent)) {
    throw new K4netError('K4NET_MALFORMED', 'the public exponent of an RSA key must be 65537');
  }
}

function withoutZeros(number: Bytes): Bytes {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? noBytes : number.subarray(first);
}

/** Encodes a positive DER integer. `digits` has no leading zeros. */
function encodeInteger(digits: Bytes): Bytes {
  // The first bit is the sign: a positive number whose first bit is set needs a zero byte.
  const sign = new Uint8Array((digits[0] ?? 0) >= 0x80 ? 1 : 0);
  return encodeDer(derTag.integer, sign, digits);
}

/** Returns the PKCS#8 of a private key in PKCS#8 or PKCS#1. */
export function toPkcs8(der: Bytes): Bytes {
  const [, second] = sequence(der, 'a private key');
  if (second?.tag !== derTag.integer) return der;
  return encodeDer(derTag.sequence, versionZero, rsaAlgorithm, encodeDer(derTag.octets, der));
}

/**
 * Returns the SPKI of the public key that a PKCS#8 contains; undefined for a P-256 key whose PKCS#8
 * does not contain it.
 *
 * @throws K4netError `K4NET_MALFORMED` for bytes that are not a private key, `K4NET_UNSUPPORTED`
 * for a key that is neither RSA nor P-256.
 */
export function storedPublicHalf(pkcs8: Bytes): Bytes | undefined {
  const [, algorithm, wrapped] = sequence(pkcs8, 'a private key');
  if (wrapped?.tag !== derTag.octets || !algorithm) {
    throw new K4netError('K4NET_MALFORMED', 'a private key is neither PKCS#8 nor PKCS#1');
  }
  const [oid, parameters] = derElements(algorithm.content);
  const inner = () => sequence(wrapped.content, 'a private key');
  if (oid && equalBytes(oid.whole, rsaOid)) return rsaSpki(inner());
  if (oid && equalBytes(oid.whole, ecOid) && parameters && equalBytes(parameters.whole, p256Oid)) {
    const point = storedPoint(inner());
    return point && p256Spki(point);
  }
  throw new K4netError('K4NET_UNSUPPORTED', 'a private key is neither RSA nor P-256');
}

/** Returns the SPKI of the public key of a private key. */
export async function publicHalf(pkcs8: Bytes): Promise<Bytes> {
  return storedPublicHalf(pkcs8) ?? p256Spki(await pointOf(pkcs8));
}

async function pointOf(pkcs8: Bytes): Promise<Bytes> {
  try {
    return await publicPointOf(pkcs8);
  } catch {
    // No cause: the error message of a runtime may quote the private key.
    throw new K4netError('K4NET_MALFORMED', 'a private key cannot be used: it is damaged');
  }
}

function rsaSpki([, modulus, exponent]: DerElement[]): Bytes {
  if (modulus?.tag !== derTag.integer || exponent?.tag !== derTag.integer) {
    throw new K4netError('K4NET_MALFORMED', 'a private RSA key has no modulus and exponent');
  }
  return toSpki(encodeDer(derTag.sequence, modulus.whole, exponent.whole));
}

function storedPoint(elements: DerElement[]): Bytes | undefined {
  const found = elements.find(({ tag }) => tag === derTag.publicPoint);
  const [bits] = found ? derElements(found.content) : [];
  return bits?.tag === derTag.bits && bits.content.length === 66 ? bits.content.subarray(1) : undefined;
}

function p256Spki(point: Bytes): Bytes {
  return encodeDer(
    derTag.sequence,
    ecAlgorithm,
    encodeDer(derTag.bits, concatBytes([new Uint8Array(1), point])),
  );
}
