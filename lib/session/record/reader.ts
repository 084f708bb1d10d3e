import { type Bytes, concatBytes, viewOf } from '../../util/bytes.js';
import type { AsyncBackend, Backend, GcmDecipher, SyncBackend } from '../../crypto/backend.js';
import { K4netError } from '../../errors.js';
import { headerLength, ivLength, tagLength, writeNonce } from './format.js';
import { AsyncEpoch, type CreateCipher, SyncEpoch } from './keys.js';
import { type ReaderOptions, type ReceivedRecord, type RecordEvent, RecordParser } from './parser.js';

/**
 * The receiving half of the record layer, from epoch 1 on: "Records" in docs/protocol.md. Takes bytes in any
 * segmentation and returns what the records say. After an error, the peer's alert included, it reads nothing more.
 */
interface ReaderBase {
  /** Received bytes that are not opened yet. */
  readonly pending: number;
  /** Whether the first record has yet to confirm that the client's key was accepted. */
  readonly awaitingConfirm: boolean;
  /** Received bytes. The reader keeps the chunk. */
  add(chunk: Bytes): void;
  /** The stream ended after what was added. Throws unless the peer ended its direction before. */
  end(): void;
  /** Reads nothing more. */
  stop(): void;
}

/** A reader over a synchronous cipher. */
export interface SyncRecordReader extends ReaderBase {
  readonly sync: true;
  /** The next event; undefined if no whole record is left. */
  read(): RecordEvent | undefined;
  /** Creates the next decipher ahead. */
  prepare(): void;
}

/** A reader over an asynchronous cipher. One `read` at a time. */
export interface AsyncRecordReader extends ReaderBase {
  readonly sync: false;
  read(): Promise<RecordEvent | undefined>;
}

export type RecordReader = SyncRecordReader | AsyncRecordReader;

/** @param secret - the traffic secret of epoch 1. The reader overwrites it. */
export function createReader(backend: Backend, secret: Bytes, options?: ReaderOptions): RecordReader {
  const parser = new RecordParser(options);
  return backend.sync ? new SyncReader(backend, secret, parser) : new AsyncReader(backend, secret, parser);
}

/** Shorter records are joined before they are opened; longer ones are opened piece by piece. */
const minInPieces = 4096;

// Opening is synchronous, so all connections share these buffers.
const header = new Uint8Array(headerLength);
const tag = new Uint8Array(tagLength);

const createDecipher: CreateCipher<GcmDecipher> = (backend, key, nonce) => backend.decipher(key, nonce);

class SyncReader implements SyncRecordReader {
  readonly sync = true;
  readonly #parser: RecordParser;
  #epoch: SyncEpoch<GcmDecipher>;

  constructor(backend: SyncBackend, secret: Bytes, parser: RecordParser) {
    this.#epoch = new SyncEpoch(backend, secret, createDecipher);
    this.#parser = parser;
  }

  get pending(): number {
    return this.#parser.pending;
  }

  get awaitingConfirm(): boolean {
    return this.#parser.awaitingConfirm;
  }

  add(chunk: Bytes): void {
    this.#parser.add(chunk);
  }

  read(): RecordEvent | undefined {
    const parser = this.#parser;
    try {
      let event: RecordEvent | undefined = parser.content();
      while (event === undefined) {
        const record = parser.take();
        if (!record) return undefined;
        event = parser.accept(this.#open(record), record.final);
      }
      return event;
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  end(): void {
    this.#parser.end();
  }

  stop(): void {
    this.#parser.stop();
    this.#epoch.discard();
  }

  prepare(): void {
    if (!this.#parser.stopped) this.#epoch.prepare();
  }

  /** The plaintext, in pieces; undefined if the tag is wrong. */
  #open({ pieces, length, seq, final }: ReceivedRecord): Bytes[] | undefined {
    const parts = joinShort(pieces, length);
    const last = parts.length - 1;
    const [first, end] = [parts[0], parts[last]];
    if (!first || !end) return undefined;
    const tagStart = end.length - tagLength;
    // Copying so few bytes costs less than creating views of them.
    for (let index = 0; index < headerLength; index += 1) header[index] = first[index] ?? 0;
    for (let index = 0; index < tagLength; index += 1) tag[index] = end[tagStart + index] ?? 0;
    parts[0] = viewOf(first, headerLength, last === 0 ? tagStart : first.length);
    if (last > 0) parts[last] = viewOf(end, 0, tagStart);
    const decipher = this.#epoch.cipherFor(seq);
    decipher.setAAD(header);
    decipher.setAuthTag(tag);
    for (let index = 0; index <= last; index += 1) {
      const opened = decipher.update(parts[index] ?? header);
      // The application gets plain arrays, not objects of Node's class.
      parts[index] = viewOf(opened, 0, opened.length);
    }
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    if (final) this.#epoch = this.#epoch.next();
    return parts;
  }
}

/** The pieces of a record, joined if it is short or if its header or its tag is split between pieces. */
function joinShort(pieces: Bytes[], length: number): Bytes[] {
  if (pieces.length === 1) return pieces;
  const [first, last] = [pieces[0], pieces.at(-1)];
  const isSplit = (first?.length ?? 0) < headerLength + 4 || (last?.length ?? 0) < tagLength;
  return isSplit || length < minInPieces ? [concatBytes(pieces)] : pieces;
}

/** Records and bytes that are decrypted at a time. */
const maxBatchRecords = 32;
const maxBatchBytes = 256 * 1024;

interface OpenedRecord {
  /** Undefined if the tag was wrong. */
  readonly plaintext: readonly Bytes[] | undefined;
  readonly final: boolean;
}

class AsyncReader implements AsyncRecordReader {
  readonly sync = false;
  readonly #parser: RecordParser;
  #epoch: AsyncEpoch;
  #opened: OpenedRecord[] = [];
  /** Why the record after the opened ones is refused. The opened ones are read first. */
  #failure: K4netError | undefined;

  constructor(backend: AsyncBackend, secret: Bytes, parser: RecordParser) {
    this.#epoch = new AsyncEpoch(backend, Promise.resolve(secret));
    this.#parser = parser;
  }

  get pending(): number {
    return this.#parser.pending;
  }

  get awaitingConfirm(): boolean {
    return this.#parser.awaitingConfirm;
  }

  add(chunk: Bytes): void {
    this.#parser.add(chunk);
  }

  async read(): Promise<RecordEvent | undefined> {
    try {
      for (;;) {
        const event = this.#nextOpened();
        if (event !== undefined || this.#parser.stopped) return event;
        if (this.#failure !== undefined) throw this.#failure;
        if (!(await this.#openBatch())) return undefined;
      }
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  end(): void {
    this.#parser.end();
  }

  stop(): void {
    this.#parser.stop();
    this.#opened = [];
  }

  /** The next event of the records that are opened. */
  #nextOpened(): RecordEvent | undefined {
    const parser = this.#parser;
    let event: RecordEvent | undefined = parser.content();
    while (event === undefined && !parser.stopped) {
      const record = this.#opened.shift();
      if (!record) return undefined;
      event = parser.accept(record.plaintext, record.final);
    }
    return event;
  }

  /** Opens the next whole records together; false if there are none. */
  async #openBatch(): Promise<boolean> {
    const opening: Promise<OpenedRecord>[] = [];
    let bytes = 0;
    try {
      while (opening.length < maxBatchRecords && bytes < maxBatchBytes) {
        const record = this.#parser.take();
        if (!record) break;
        opening.push(this.#open(record));
        bytes += record.length;
      }
    } catch (error) {
      if (!K4netError.is(error)) throw error;
      this.#failure = error;
    }
    const opened = await Promise.all(opening);
    if (!this.#parser.stopped) this.#opened = opened;
    return opening.length > 0 || this.#failure !== undefined;
  }

  #open({ pieces, seq, final }: ReceivedRecord): Promise<OpenedRecord> {
    const epoch = this.#epoch;
    if (final) this.#epoch = epoch.next();
    return openOne(epoch, concatBytes(pieces), seq, final);
  }
}

async function openOne(epoch: AsyncEpoch, record: Bytes, seq: number, final: boolean): Promise<OpenedRecord> {
  const { gcm, iv } = await epoch.keys;
  const nonce = new Uint8Array(ivLength);
  writeNonce(nonce, iv, 0, seq);
  const opened = await gcm.open(nonce, record.subarray(0, headerLength), record.subarray(headerLength));
  return { plaintext: opened && [opened], final };
}
