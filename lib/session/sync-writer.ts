import type { Bytes } from '../bytes.js';
import type { SyncBackend } from '../crypto/backend.js';
import { plaintextHead, tagLength, writePlaintextHead, writeRecordHeader } from './record.js';
import type { PlannedRecord, RecordWriter } from './sealer.js';
import { SyncEpoch } from './traffic-keys.js';

/** Up to here a record is one buffer; above, its ciphertext goes out as the cipher made it, never copied. */
const small = 8192;
/** A part shorter than this is cheaper to copy than to give to the cipher by itself. */
const shortPart = 2048;

const headerLength = 5;

// A record is sealed in one go, so every connection can use the same buffers.
const nonce = new Uint8Array(12);
const aad = new Uint8Array(headerLength);
const shared = new Uint8Array(small + shortPart);

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
    if (tag) out.push(new Uint8Array(tag));
    return out;
  }

  #seal(record: PlannedRecord, out: Bytes[], before: Bytes | undefined): Bytes | undefined {
    const length = plaintextHead + record.contentLength + record.pad;
    this.#epoch.writeNonce(nonce, record.seq);
    writeRecordHeader(aad, 0, length, record.final);
    const sealed = this.#epoch.gcm.seal(nonce, aad, this.#plaintext(record, length));
    if (record.final) this.#epoch = this.#epoch.next();
    const tag = sealed.pop() ?? new Uint8Array(0);
    const start = (before?.length ?? 0) + headerLength;
    const [first, ...rest] = sealed;
    const joined = length <= small ? length + tagLength : first?.length === plaintextHead ? plaintextHead : 0;
    const buffer = new Uint8Array(start + joined);
    if (before) buffer.set(before);
    buffer.set(aad, start - headerLength);
    out.push(buffer);
    if (first && joined > 0) buffer.set(first, start);
    if (length <= small) {
      buffer.set(tag, start + length);
      return undefined;
    }
    if (first && joined === 0) out.push(first);
    for (const part of rest) out.push(part);
    return tag;
  }

  #plaintext({ type, content, contentLength, pad }: PlannedRecord, length: number): readonly Bytes[] {
    if (length > small && contentLength >= content.length * shortPart) {
      const head = new Uint8Array(plaintextHead);
      writePlaintextHead(head, 0, type, pad);
      return pad === 0 ? [head, ...content] : [head, ...content, new Uint8Array(pad)];
    }
    const scratch = length <= shared.length ? shared.subarray(0, length) : new Uint8Array(length);
    writePlaintextHead(scratch, 0, type, pad);
    let offset = plaintextHead;
    for (const part of content) {
      scratch.set(part, offset);
      offset += part.length;
    }
    scratch.fill(0, offset);
    return [scratch];
  }
}
