import type { Bytes } from '../bytes.js';
import { findBuiltin } from '../runtime.js';
import type { SyncBackend, SyncGcm } from './backend.js';

const cipherName = 'aes-256-gcm';
const tagOption = { authTagLength: 16 };

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
  return {
    sync: true,
    sha256: (data) => plain(crypto.createHash('sha256').update(data).digest()),
    hmac: (key, data) => plain(crypto.createHmac('sha256', key).update(data).digest()),
    hkdf: (ikm, salt, info, length) => new Uint8Array(crypto.hkdfSync('sha256', ikm, salt, info, length)),
    gcm: (key) => createGcm(crypto, key),
  };
}

function createGcm(crypto: NodeCrypto, raw: Bytes): SyncGcm {
  if (raw.length !== 32) throw new RangeError(`a traffic key is 32 bytes long, not ${raw.length}`);
  const key = crypto.createSecretKey(raw);
  return {
    seal(nonce, aad, parts) {
      const cipher = crypto.createCipheriv(cipherName, key, nonce, tagOption);
      cipher.setAAD(aad);
      const sealed: Bytes[] = [];
      for (const part of parts) sealed.push(plain(cipher.update(part)));
      cipher.final();
      sealed.push(cipher.getAuthTag());
      return sealed;
    },
    open(nonce, aad, parts, tag) {
      const decipher = crypto.createDecipheriv(cipherName, key, nonce, tagOption);
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
    },
  };
}

/** The same memory without the class of Node: what the library hands out is a plain Uint8Array. */
function plain(buffer: Bytes): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
