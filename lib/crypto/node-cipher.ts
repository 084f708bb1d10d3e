import { type Bytes, noBytes } from '../util/bytes.js';
import { findBuiltin } from '../platform/runtime.js';
import type { EphemeralShare, SyncBackend } from './backend.js';

const cipherName = 'aes-256-gcm';
const tagOption = { authTagLength: 16 };
const keyLength = 32;
const curve = 'prime256v1';

type NodeCrypto = NonNullable<ReturnType<typeof nodeCrypto>>;

function nodeCrypto() {
  return findBuiltin('node:crypto');
}

let found: SyncBackend | undefined;

/** The primitives of node:crypto, or undefined if the runtime has no such module. */
export function findNodeBackend(): SyncBackend | undefined {
  if (found) return found;
  const crypto = nodeCrypto();
  if (crypto) found = createBackend(crypto);
  return found;
}

function createBackend(crypto: NodeCrypto): SyncBackend {
  const hmac = (key: Bytes, ...data: readonly Bytes[]): Bytes => {
    const mac = crypto.createHmac('sha256', key);
    for (const each of data) mac.update(each);
    return onHeap(mac.digest());
  };
  // One-shot hashing takes two thirds of the time. Node has it from 20.12 and 21.7 on.
  const { hash } = crypto as { readonly hash?: typeof crypto.hash };
  const sha256 = (data: Bytes): Bytes =>
    hash ? hash('sha256', data, 'buffer') : crypto.createHash('sha256').update(data).digest();
  return {
    sync: true,
    sha256: (data) => onHeap(sha256(data)),
    hmac: (key, data) => hmac(key, data),
    // Extract and expand as two HMAC calls take half the time of crypto.hkdfSync.
    hkdf(ikm, salt, info, length) {
      const prk = hmac(salt, ikm);
      const key = expandKey(hmac, prk, info, length);
      prk.fill(0);
      return key;
    },
    hkdfAll(ikm, salt, wanted) {
      const prk = hmac(salt, ikm);
      const keys = wanted.map(({ info, length }) => expandKey(hmac, prk, info, length));
      prk.fill(0);
      return keys;
    },
    cipher(key, nonce) {
      const cipher = crypto.createCipheriv(cipherName, scratchOf(key), nonce, tagOption);
      keyScratch.fill(0);
      return cipher;
    },
    decipher(key, nonce) {
      const decipher = crypto.createDecipheriv(cipherName, scratchOf(key), nonce, tagOption);
      keyScratch.fill(0);
      return decipher;
    },
    newShare: (scalar) => newShare(crypto, scalar),
    oaepEncrypter(spki) {
      const key = crypto.createPublicKey({ key: spki as never, format: 'der', type: 'spki' });
      return (label, secret) => plain(crypto.publicEncrypt({ key, ...oaep(crypto, label) }, secret));
    },
    oaepDecrypter(pkcs8) {
      const key = crypto.createPrivateKey({ key: pkcs8 as never, format: 'der', type: 'pkcs8' });
      return (label, ciphertext) => {
        try {
          return plain(crypto.privateDecrypt({ key, ...oaep(crypto, label) }, ciphertext));
        } catch {
          return undefined;
        }
      };
    },
  };
}

type Mac = (key: Bytes, ...data: readonly Bytes[]) => Bytes;

function expandKey(hmac: Mac, prk: Bytes, info: Bytes, length: number): Bytes {
  const out = new Uint8Array(length);
  let block: Bytes = noBytes;
  for (let at = 0, count = 1; at < length; at += block.length, count += 1) {
    block = hmac(prk, block, info, Uint8Array.of(count));
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

function oaep(crypto: NodeCrypto, label: Bytes) {
  return { padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256', oaepLabel: label };
}

function newShare(crypto: NodeCrypto, scalar: Bytes | undefined): EphemeralShare {
  const own = crypto.createECDH(curve);
  if (scalar) own.setPrivateKey(scalar);
  else own.generateKeys();
  return {
    share: plain(own.getPublicKey()),
    agree(point) {
      if (point.length !== 65 || point[0] !== 4) return undefined;
      try {
        return onHeap(own.computeSecret(point));
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * One buffer for the keys of all ciphers: each call copies its key here. Native code moves the
 * memory of a small typed array that it reads out of the heap, and each connection would then need
 * a buffer for its key.
 */
const keyScratch = new Uint8Array(keyLength);

function scratchOf(key: Bytes): Bytes {
  if (key.length !== keyLength) {
    throw new RangeError(`a traffic key must have ${keyLength} bytes, not ${key.length}`);
  }
  keyScratch.set(key);
  return keyScratch;
}

/** The same memory as a plain Uint8Array: the library returns no `Buffer`. */
function plain(bytes: Bytes): Bytes {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * A copy in the JavaScript heap. Overwrites the source. Secrets live as long as their connection,
 * and a small array in the heap takes less memory than a buffer outside of it.
 */
function onHeap(bytes: Bytes): Bytes {
  const copy = new Uint8Array(bytes);
  bytes.fill(0);
  return copy;
}
