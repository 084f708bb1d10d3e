import { type Bytes, concatBytes } from '../../util/bytes.js';
import type { Backend } from '../../crypto/backend.js';
import { K4netError } from '../../errors.js';
import { unpad } from '../record/reader.js';
import { expandAll } from '../key-schedule.js';
import type { Padding } from '../record/padding.js';
import {
  finalHead,
  handshakeUnitLimit,
  plaintextHead,
  recordOverhead,
  tagLength,
  writePlaintextHead,
  writeRecordHeader,
} from '../record/format.js';

const headerLength = 5;
const longestPlaintext = handshakeUnitLimit - recordOverhead;

async function epochKeys(backend: Backend, secret: Bytes): Promise<[key: Bytes, iv: Bytes]> {
  const [key, iv] = await expandAll(backend, secret, [{ label: 'key' }, { label: 'iv', length: 12 }]);
  secret.fill(0);
  return [key, iv];
}

/** The one record that a side sends in epoch 0, with its length. Its nonce is the iv, so a secret serves once. */
export async function sealEpochZero(
  backend: Backend,
  secret: Bytes,
  type: number,
  content: Bytes,
  padding: Padding,
): Promise<Bytes> {
  const bare = plaintextHead + content.length;
  const plaintext = new Uint8Array(bare + padding(bare, longestPlaintext));
  writePlaintextHead(plaintext, 0, type, plaintext.length - bare);
  plaintext.set(content, plaintextHead);
  const header = new Uint8Array(headerLength);
  writeRecordHeader(header, 0, plaintext.length, true);
  const [key, nonce] = await epochKeys(backend, secret);
  const sealed: Bytes[] = [header];
  if (backend.sync) {
    const { parts, tag } = backend.gcm(key).seal(nonce, header, [plaintext]);
    sealed.push(...parts, tag);
  } else {
    sealed.push(await (await backend.gcm(key)).seal(nonce, header, plaintext));
  }
  key.fill(0);
  return concatBytes(sealed);
}

/** The record that the other side sends in epoch 0: its type and content, or undefined where it does not open. */
export async function openEpochZero(
  backend: Backend,
  secret: Bytes,
  body: Bytes,
): Promise<{ readonly type: number; readonly content: Bytes } | undefined> {
  if (body[0] !== finalHead)
    throw new K4netError('K4NET_UNEXPECTED', 'a handshake record has an unknown head');
  const header = new Uint8Array(headerLength);
  writeRecordHeader(header, 0, body.length - recordOverhead, true);
  const [key, nonce] = await epochKeys(backend, secret);
  const sealed = body.subarray(1);
  const end = sealed.length - tagLength;
  const plaintext = backend.sync
    ? backend.gcm(key).open(nonce, header, [sealed.subarray(0, end)], sealed.subarray(end))
    : await (await backend.gcm(key)).open(nonce, header, sealed);
  key.fill(0);
  if (!plaintext) return undefined;
  const bytes = Array.isArray(plaintext) ? concatBytes(plaintext) : plaintext;
  return { type: bytes[0] ?? 0, content: concatBytes(unpad([bytes])) };
}
