import { type Bytes, concatBytes, equalBytes, toHex } from '../bytes.js';
import { K4netError } from '../errors.js';
import { type DerElement, derElements, derTag, encodeDer } from './der.js';
import { publicPointOf } from './suite.js';

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const versionZero = hex('020100');
const rsaAlgorithm = hex('300d06092a864886f70d0101010500');
const ecAlgorithm = hex('301306072a8648ce3d020106082a8648ce3d030107');
const rsaOid = hex('06092a864886f70d010101');
const ecOid = hex('06072a8648ce3d0201');
const p256Oid = hex('06082a8648ce3d030107');

/** What stands before the point, 04 X Y, in the one DER form of a public P-256 key. */
const p256Prefix = hex('3059301306072a8648ce3d020106082a8648ce3d030107034200');

/** Whether an SPKI is the one DER form of a P-256 key; whether its point is on the curve is not asked here. */
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

/** An SPKI from an SPKI or from PKCS#1, as the DER itself tells. */
export function toSpki(der: Bytes): Bytes {
  const [first] = sequence(der, 'a public key');
  if (first?.tag !== derTag.integer) return der;
  return encodeDer(derTag.sequence, rsaAlgorithm, encodeDer(derTag.bits, new Uint8Array(1), der));
}

/**
 * Length of the modulus of an RSA key in bits, read from its SPKI without a look at the rest.
 *
 * @throws K4netError `K4NET_MALFORMED` for anything but an RSA key.
 */
export function rsaBits(spki: Bytes): number {
  const [algorithm, wrapped] = sequence(spki, 'a public key');
  const [oid] = algorithm ? derElements(algorithm.content) : [];
  if (!oid || wrapped?.tag !== derTag.bits || !equalBytes(oid.whole, rsaOid)) {
    throw new K4netError('K4NET_MALFORMED', 'the public key is not an RSA key');
  }
  const [modulus] = sequence(wrapped.content.subarray(1), 'a public RSA key');
  const digits = toHex(modulus?.tag === derTag.integer ? modulus.content : new Uint8Array(0));
  return digits === '' ? 0 : BigInt(`0x${digits}`).toString(2).length;
}

/** PKCS#8 from PKCS#8 or from PKCS#1, as the DER itself tells. */
export function toPkcs8(der: Bytes): Bytes {
  const [, second] = sequence(der, 'a private key');
  if (second?.tag !== derTag.integer) return der;
  return encodeDer(derTag.sequence, versionZero, rsaAlgorithm, encodeDer(derTag.octets, der));
}

/** The kind of a private key and the SPKI of its public half, read from its PKCS#8. */
export async function publicHalf(pkcs8: Bytes): Promise<{ type: 'rsa' | 'p256'; spki: Bytes }> {
  const [, algorithm, wrapped] = sequence(pkcs8, 'a private key');
  const [oid, parameters] = algorithm ? derElements(algorithm.content) : [];
  if (wrapped?.tag !== derTag.octets || !oid) {
    throw new K4netError('K4NET_MALFORMED', 'a private key is neither PKCS#8 nor PKCS#1');
  }
  const inner = () => sequence(wrapped.content, 'a private key');
  if (equalBytes(oid.whole, rsaOid)) return { type: 'rsa', spki: rsaSpki(inner()) };
  if (equalBytes(oid.whole, ecOid) && parameters && equalBytes(parameters.whole, p256Oid)) {
    return { type: 'p256', spki: p256Spki(storedPoint(inner()) ?? (await pointOf(pkcs8))) };
  }
  throw new K4netError('K4NET_UNSUPPORTED', 'a private key is neither RSA nor P-256');
}

async function pointOf(pkcs8: Bytes): Promise<Bytes> {
  try {
    return await publicPointOf(pkcs8);
  } catch {
    // Without the cause: what a runtime says about a private key is not ours to pass on.
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
