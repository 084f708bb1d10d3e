import { type Bytes, concatBytes } from '../../util/bytes.js';
import type { Backend } from '../../crypto/backend.js';
import type { KeyPair } from '../../crypto/key-pair.js';
import { K4netError } from '../../errors.js';
import { expandAll } from '../key-schedule.js';
import {
  finalHead,
  handshakeUnitLimit,
  headerLength,
  ivLength,
  plaintextHead,
  recordOverhead,
  tagLength,
  writePlaintext,
  writeRecordHeader,
} from '../record/format.js';
import type { Padding } from '../record/padding.js';
import { unpad } from '../record/parser.js';

const longestPlaintext = handshakeUnitLimit - recordOverhead;

async function epochKeys(backend: Backend, secret: Bytes): Promise<[key: Bytes, iv: Bytes]> {
  const [key, iv] = await expandAll(backend, secret, [{ label: 'key' }, { label: 'iv', length: ivLength }]);
  secret.fill(0);
  return [key, iv];
}

/**
 * The only record that a side sends in epoch 0, with its length field: "Epoch 0" in
 * docs/protocol.md. Its sequence number is 0, so its nonce is the iv. Overwrites the secret, which
 * must never seal a second record.
 */
export async function sealEpochZero(
  backend: Backend,
  secret: Bytes,
  type: number,
  content: Bytes,
  padding: Padding,
): Promise<Bytes> {
  const bare = plaintextHead + content.length;
  const pad = padding(bare, longestPlaintext);
  const plaintext = new Uint8Array(bare + pad);
  writePlaintext(plaintext, { type, content: [content], pad });
  const header = new Uint8Array(headerLength);
  writeRecordHeader(header, 0, plaintext.length, true);
  const [key, nonce] = await epochKeys(backend, secret);
  const sealed: Bytes[] = [header];
  if (backend.sync) {
    const cipher = backend.cipher(key, nonce);
    cipher.setAAD(header);
    sealed.push(cipher.update(plaintext));
    cipher.final();
    sealed.push(cipher.getAuthTag());
  } else {
    sealed.push(await (await backend.gcm(key)).seal(nonce, header, plaintext));
  }
  key.fill(0);
  return concatBytes(sealed);
}

/**
 * The type and the content of the record that the peer sends in epoch 0; undefined if its tag is
 * wrong.
 */
export async function openEpochZero(
  backend: Backend,
  secret: Bytes,
  body: Bytes,
): Promise<{ readonly type: number; readonly content: Bytes } | undefined> {
  if (body[0] !== finalHead)
    throw new K4netError('K4NET_UNEXPECTED', `a handshake record has the unknown head ${body[0] ?? 0}`);
  const header = new Uint8Array(headerLength);
  writeRecordHeader(header, 0, body.length - recordOverhead, true);
  const [key, nonce] = await epochKeys(backend, secret);
  const plaintext = await open(backend, key, nonce, header, body.subarray(1));
  key.fill(0);
  return plaintext && { type: plaintext[0] ?? 0, content: concatBytes(unpad([plaintext])) };
}

async function open(
  backend: Backend,
  key: Bytes,
  nonce: Bytes,
  header: Bytes,
  sealed: Bytes,
): Promise<Bytes | undefined> {
  if (!backend.sync) return (await backend.gcm(key)).open(nonce, header, sealed);
  const tagStart = sealed.length - tagLength;
  const decipher = backend.decipher(key, nonce);
  decipher.setAAD(header);
  decipher.setAuthTag(sealed.subarray(tagStart));
  const plaintext = decipher.update(sealed.subarray(0, tagStart));
  try {
    decipher.final();
    return plaintext;
  } catch {
    return undefined;
  }
}

/** The label of RSA-OAEP for the premaster secret: "Key schedule" in docs/protocol.md. */
export const premasterLabel = 'k4net/1 server key';

/** Queues and runs an RSA decryption. May reject with `K4NET_BUSY`. */
export type ScheduleDecryption = <T>(job: () => Promise<T>) => Promise<T>;

const runNow: ScheduleDecryption = (job) => job();

/**
 * Decrypts the premaster secret of a ClientHello, with implicit rejection ("Key schedule" in
 * docs/protocol.md): for an invalid ciphertext it returns a random replacement, which was drawn
 * before, and the handshake fails later, always in the same way. Therefore the server is not an
 * oracle for Bleichenbacher's or Manger's attack.
 *
 * Masks choose between the two secrets in constant time. OpenSSL or WebCrypto does the RSA
 * decryption. As measured, valid and invalid ciphertexts differ by 15 to 35 µs, and the classes
 * of invalid ciphertexts that Manger's attack has to distinguish take equal time.
 *
 * @param replacement - 32 random bytes, which are overwritten.
 */
export async function openPremaster(
  backend: Backend,
  key: KeyPair,
  ciphertext: Bytes,
  replacement: Bytes,
  schedule: ScheduleDecryption = runNow,
): Promise<Bytes> {
  const opened = await schedule(() => key.decrypt(premasterLabel, ciphertext, backend));
  const mask = opened?.length === 32 ? 0xff : 0;
  const secret = replacement.map((byte, index) => (byte & ~mask) | ((opened?.[index] ?? 0) & mask));
  replacement.fill(0);
  opened?.fill(0);
  return secret;
}
