import type { Bytes } from '../util/bytes.js';
import { findBuiltin } from '../platform/runtime.js';
import type { EphemeralShare, Sealed, SyncBackend, SyncGcm } from './backend.js';

const cipherName = 'aes-256-gcm';
const tagOption = { authTagLength: 16 };
const curve = 'prime256v1';

type NodeCrypto = NonNullable<ReturnType<typeof nodeCrypto>>;

function nodeCrypto() {
  return findBuiltin('node:crypto');
}

let found: SyncBackend | undefined;

/** The primitives of node:crypto, or undefined where the runtime has none. */
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
    return light(mac.digest());
  };
  return {
    sync: true,
    sha256: (data) => light(crypto.createHash('sha256').update(data).digest()),
    hmac: (key, data) => hmac(key, data),
    // Two MACs by hand take half as long as the function that there is for it.
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
    gcm: (key) => new NodeGcm(crypto, key),
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
  let block: Bytes = new Uint8Array(0);
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
        return light(own.computeSecret(point));
      } catch {
        return undefined;
      }
    },
  };
}

/** Where a key is while the cipher takes it: one that was handed over itself would cost every connection a buffer. */
const lent = new Uint8Array(32);

class NodeGcm implements SyncGcm {
  readonly #crypto: NodeCrypto;
  readonly #key: Bytes;

  constructor(crypto: NodeCrypto, key: Bytes) {
    if (key.length !== 32) throw new RangeError(`a traffic key is 32 bytes long, not ${key.length}`);
    this.#crypto = crypto;
    this.#key = key.slice();
  }

  seal(nonce: Bytes, aad: Bytes, parts: readonly Bytes[]): Sealed {
    lent.set(this.#key);
    const cipher = this.#crypto.createCipheriv(cipherName, lent, nonce, tagOption);
    lent.fill(0);
    cipher.setAAD(aad);
    // These are for a transport only, so they may be of Node's class.
    const sealed: Bytes[] = [];
    for (const part of parts) sealed.push(cipher.update(part));
    cipher.final();
    return { parts: sealed, tag: cipher.getAuthTag() };
  }

  open(nonce: Bytes, aad: Bytes, parts: readonly Bytes[], tag: Bytes): Bytes[] | undefined {
    lent.set(this.#key);
    const decipher = this.#crypto.createDecipheriv(cipherName, lent, nonce, tagOption);
    lent.fill(0);
    decipher.setAAD(aad);
    decipher.setAuthTag(tag);
    const opened: Bytes[] = [];
    for (const part of parts) opened.push(plain(decipher.update(part)));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return opened;
  }
}

/** The same memory without the class of Node: what the library hands out is a plain Uint8Array. */
function plain(bytes: Bytes): Bytes {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A copy that lies within the object itself: many of these live as long as their connection. */
function light(bytes: Bytes): Bytes {
  const copy = new Uint8Array(bytes);
  bytes.fill(0);
  return copy;
}
