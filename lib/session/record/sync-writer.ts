import type { Bytes } from '../../util/bytes.js';
import type { SyncBackend } from '../../crypto/backend.js';
import { allocateUnsafe } from '../../platform/runtime.js';
import {
  type PlannedRecord,
  type RecordWriter,
  plaintextHead,
  tagLength,
  writePlaintextHead,
  writeRecordHeader,
} from './format.js';
import { SyncEpoch } from './keys.js';

/** Up to here a record is one buffer; above, its ciphertext goes out as the cipher made it, never copied. */
const small = 8192;
/** A part shorter than this is cheaper to copy than to give to the cipher by itself. */
const shortPart = 2048;

const headerLength = 5;

// A record is sealed in one go, so every connection can use the same buffers.
const nonce = new Uint8Array(12);
const aad = new Uint8Array(headerLength);
const shared = new Uint8Array(small + shortPart);

/** What short records lie in, one behind the other and never over one another: a buffer of its own costs each more. */
const shelfLength = 32 * 1024;
const shortRecord = 10 * 1024;
let shelf: Bytes = new Uint8Array(0);
let shelved = 0;

function place(length: number): Bytes {
  if (length > shortRecord) return allocateUnsafe(length);
  if (shelved + length > shelf.length) {
    shelf = allocateUnsafe(shelfLength);
    shelved = 0;
  }
  const found = new Uint8Array(shelf.buffer, shelved, length);
  shelved += length;
  return found;
}

/** Seals records at once. */
export class SyncWriter implements RecordWriter {
  #epoch: SyncEpoch;

  constructor(backend: SyncBackend, secret: Bytes) {
    this.#epoch = new SyncEpoch(backend, secret);
  }

  write(records: readonly PlannedRecord[]): Bytes[] {
    const out: Bytes[] = [];
    // The tag of a large record waits for the header of the next one, so that the two are one small buffer.
    let tag: Bytes | undefined;
    for (const record of records) tag = this.#seal(record, out, tag);
    if (tag) out.push(tag);
    return out;
  }

  #seal(record: PlannedRecord, out: Bytes[], before: Bytes | undefined): Bytes | undefined {
    const length = plaintextHead + record.contentLength + record.pad;
    this.#epoch.writeNonce(nonce, record.seq);
    writeRecordHeader(aad, 0, length, record.final);
    const { parts, tag } = this.#epoch.gcm.seal(nonce, aad, plaintextOf(record, length));
    if (record.final) this.#epoch = this.#epoch.next();
    const start = (before?.length ?? 0) + headerLength;
    const [first] = parts;
    const whole = length <= small;
    const joined = whole || first?.length === plaintextHead ? (first?.length ?? 0) : 0;
    const buffer = place(start + joined + (whole ? tagLength : 0));
    if (before) buffer.set(before);
    buffer.set(aad, start - headerLength);
    if (first && joined > 0) buffer.set(first, start);
    out.push(buffer);
    if (whole) {
      buffer.set(tag, start + length);
      return undefined;
    }
    for (let index = joined > 0 ? 1 : 0; index < parts.length; index += 1) {
      const part = parts[index];
      if (part) out.push(part);
    }
    return tag;
  }
}

/** A plaintext in the pieces that the cipher is given; what is short is one piece. */
function plaintextOf({ type, content, contentLength, pad }: PlannedRecord, length: number): readonly Bytes[] {
  if (length > small && contentLength >= content.length * shortPart) {
    const head = new Uint8Array(plaintextHead);
    writePlaintextHead(head, 0, type, pad);
    return pad === 0 ? [head, ...content] : [head, ...content, new Uint8Array(pad)];
  }
  const scratch = length <= shared.length ? new Uint8Array(shared.buffer, 0, length) : new Uint8Array(length);
  writePlaintextHead(scratch, 0, type, pad);
  let offset = plaintextHead;
  for (const part of content) {
    scratch.set(part, offset);
    offset += part.length;
  }
  if (pad > 0) scratch.fill(0, offset);
  return [scratch];
}
