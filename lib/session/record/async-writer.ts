import type { Bytes } from '../../util/bytes.js';
import type { AsyncBackend } from '../../crypto/backend.js';
import {
  type PlannedRecord,
  type RecordWriter,
  plaintextHead,
  writeNonce,
  writePlaintextHead,
  writeRecordHeader,
} from './format.js';
import { AsyncEpoch } from './keys.js';

/** A record whose bytes are the library's own, under the epoch it belongs to. */
interface Job {
  readonly epoch: AsyncEpoch;
  readonly seq: number;
  readonly header: Bytes;
  readonly plaintext: Bytes;
}

/** Seals records one after the other: several at a time cost more than they bring on few cores. */
export class AsyncWriter implements RecordWriter {
  #epoch: AsyncEpoch;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(backend: AsyncBackend, secret: Bytes) {
    this.#epoch = new AsyncEpoch(backend, Promise.resolve(secret));
  }

  write(records: readonly PlannedRecord[]): Promise<Bytes[]> {
    const jobs = records.map((record) => this.#prepare(record));
    const written = this.#tail.then(() => sealAll(jobs));
    // After a failure there would be a gap in the sequence, so whatever comes later fails with it.
    this.#tail = written;
    written.catch(() => undefined);
    return written;
  }

  #prepare({ type, content, contentLength, pad, seq, final }: PlannedRecord): Job {
    const length = plaintextHead + contentLength + pad;
    const header = new Uint8Array(5);
    writeRecordHeader(header, 0, length, final);
    const plaintext = new Uint8Array(length);
    writePlaintextHead(plaintext, 0, type, pad);
    let offset = plaintextHead;
    for (const part of content) {
      plaintext.set(part, offset);
      offset += part.length;
    }
    const epoch = this.#epoch;
    if (final) this.#epoch = epoch.next();
    return { epoch, seq, header, plaintext };
  }
}

async function sealAll(jobs: readonly Job[]): Promise<Bytes[]> {
  const out: Bytes[] = [];
  for (const { epoch, seq, header, plaintext } of jobs) {
    const { gcm, iv } = await epoch.keys;
    const nonce = new Uint8Array(12);
    writeNonce(nonce, iv, seq);
    out.push(header, await gcm.seal(nonce, header, plaintext));
  }
  return out;
}
