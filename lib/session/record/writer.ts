import { type Bytes, noBytes } from '../../util/bytes.js';
import type { AsyncBackend, Backend, GcmCipher, SyncBackend } from '../../crypto/backend.js';
import { allocateUnsafe } from '../../platform/runtime.js';
import {
  type PlannedRecord,
  type RecordWriter,
  headerLength,
  ivLength,
  plaintextHead,
  tagLength,
  writeNonce,
  writePlaintext,
  writeRecordHeader,
} from './format.js';
import { AsyncEpoch, type CreateCipher, SyncEpoch } from './keys.js';

/** @param secret - the traffic secret of epoch 1. The writer overwrites it. */
export function createWriter(backend: Backend, secret: Bytes): RecordWriter {
  return backend.sync ? new SyncWriter(backend, secret) : new AsyncWriter(backend, secret);
}

/**
 * A record with a plaintext up to this length becomes one buffer. The ciphertext of a longer one is
 * sent in the buffers that the cipher returns, without a copy.
 */
const maxJoined = 8192;
/** A copy of a shorter part costs less than a call of the cipher for it. */
const minPart = 2048;

// Sealing is synchronous, so all connections share these buffers.
const header = new Uint8Array(headerLength);
const scratch = new Uint8Array(maxJoined + minPart);
/** The last view of `scratch`. Successive messages often have the same length. */
let lastView: Bytes = scratch;

function scratchView(length: number): Bytes {
  if (lastView.length !== length) lastView = new Uint8Array(scratch.buffer, 0, length);
  return lastView;
}

/**
 * A buffer pool for short records: each takes the next bytes of a large buffer, and no bytes are
 * used twice.
 */
const poolLength = 32 * 1024;
const maxPooled = 10 * 1024;
let pool: Bytes = noBytes;
let poolUsed = 0;

function allocate(length: number): Bytes {
  if (length > maxPooled) return allocateUnsafe(length);
  if (poolUsed + length > pool.length) {
    pool = allocateUnsafe(poolLength);
    poolUsed = 0;
  }
  const taken = new Uint8Array(pool.buffer, poolUsed, length);
  poolUsed += length;
  return taken;
}

const noContent: readonly Bytes[] = [];

const createCipher: CreateCipher<GcmCipher> = (backend, key, nonce) => backend.cipher(key, nonce);

/** Seals records synchronously. */
export class SyncWriter implements RecordWriter {
  #epoch: SyncEpoch<GcmCipher>;

  constructor(backend: SyncBackend, secret: Bytes) {
    this.#epoch = new SyncEpoch(backend, secret, createCipher);
  }

  write(records: readonly PlannedRecord[]): Bytes[] {
    const out: Bytes[] = [];
    // The tag of a long record shares a small buffer with the header of the next record.
    let tag: Bytes | undefined;
    for (const record of records) {
      const length = plaintextHead + record.contentLength + record.pad;
      writeRecordHeader(header, 0, length, record.final);
      const cipher = this.#epoch.cipherFor(record.seq);
      cipher.setAAD(header);
      if (length > maxJoined) {
        tag = sealLong(cipher, record, out, tag);
      } else {
        sealShort(cipher, record, out, tag);
        tag = undefined;
      }
      if (record.final) this.#epoch = this.#epoch.next();
    }
    if (tag) out.push(tag);
    return out;
  }

  prepare(): void {
    this.#epoch.prepare();
  }

  stop(): void {
    this.#epoch.discard();
  }
}

/** Seals a record into one buffer, after the tag of the previous record. */
function sealShort(cipher: GcmCipher, record: PlannedRecord, out: Bytes[], before: Bytes | undefined): void {
  const length = plaintextHead + record.contentLength + record.pad;
  const plaintext = scratchView(length);
  writePlaintext(plaintext, record);
  const start = before?.length ?? 0;
  const buffer = allocate(start + headerLength + length + tagLength);
  if (before) buffer.set(before);
  buffer.set(header, start);
  buffer.set(cipher.update(plaintext), start + headerLength);
  cipher.final();
  buffer.set(cipher.getAuthTag(), start + headerLength + length);
  out.push(buffer);
}

/** Seals a record into several buffers. Returns the tag, which is not among them. */
function sealLong(cipher: GcmCipher, record: PlannedRecord, out: Bytes[], before: Bytes | undefined): Bytes {
  const { type, content, contentLength, pad } = record;
  const inParts = contentLength >= content.length * minPart;
  const start = before?.length ?? 0;
  const buffer = allocate(start + headerLength + (inParts ? plaintextHead : 0));
  if (before) buffer.set(before);
  buffer.set(header, start);
  out.push(buffer);
  if (inParts) {
    const head = scratchView(plaintextHead);
    writePlaintext(head, { type, content: noContent, pad });
    buffer.set(cipher.update(head), start + headerLength);
    for (const part of content) out.push(cipher.update(part));
    if (pad > 0) out.push(cipher.update(new Uint8Array(pad)));
  } else {
    const length = plaintextHead + contentLength + pad;
    const plaintext = length <= scratch.length ? scratchView(length) : new Uint8Array(length);
    writePlaintext(plaintext, record);
    out.push(cipher.update(plaintext));
  }
  cipher.final();
  return cipher.getAuthTag();
}

/** A copied record and the key of its epoch. */
interface Job {
  readonly epoch: AsyncEpoch;
  readonly seq: number;
  readonly header: Bytes;
  readonly plaintext: Bytes;
}

/**
 * Seals records asynchronously, one after the other: with few cores, several at a time are slower.
 */
export class AsyncWriter implements RecordWriter {
  #epoch: AsyncEpoch;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(backend: AsyncBackend, secret: Bytes) {
    this.#epoch = new AsyncEpoch(backend, Promise.resolve(secret));
  }

  write(records: readonly PlannedRecord[]): Promise<Bytes[]> {
    const jobs = records.map((record) => this.#copy(record));
    const written = this.#tail.then(() => sealAll(jobs));
    // A failure leaves a gap in the sequence numbers, so every later record fails with it.
    this.#tail = written;
    written.catch(() => undefined);
    return written;
  }

  prepare(): void {
    // WebCrypto has no cipher objects.
  }

  stop(): void {
    // Nothing is prepared.
  }

  #copy(record: PlannedRecord): Job {
    const length = plaintextHead + record.contentLength + record.pad;
    const ownHeader = new Uint8Array(headerLength);
    writeRecordHeader(ownHeader, 0, length, record.final);
    const plaintext = new Uint8Array(length);
    writePlaintext(plaintext, record);
    const epoch = this.#epoch;
    if (record.final) this.#epoch = epoch.next();
    return { epoch, seq: record.seq, header: ownHeader, plaintext };
  }
}

async function sealAll(jobs: readonly Job[]): Promise<Bytes[]> {
  const out: Bytes[] = [];
  for (const { epoch, seq, header: aad, plaintext } of jobs) {
    const { gcm, iv } = await epoch.keys;
    const nonce = new Uint8Array(ivLength);
    writeNonce(nonce, iv, 0, seq);
    out.push(aad, await gcm.seal(nonce, aad, plaintext));
  }
  return out;
}
