import { type Bytes, concatBytes, viewOf } from '../../util/bytes.js';
import type { AsyncBackend, Backend, GcmDecipher, SyncBackend } from '../../crypto/backend.js';
import { K4netError } from '../../errors.js';
import { headerLength, ivLength, plaintextHead, tagLength, writeNonce } from './format.js';
import { AsyncEpoch, type CreateCipher, SyncEpoch } from './keys.js';
import { type ReaderOptions, type ReceivedRecord, type RecordEvent, RecordParser } from './parser.js';

/**
 * The receiving half of the record layer, from epoch 1 on: "Records" in docs/protocol.md. Takes
 * bytes in any segmentation and returns the events of the records. Reads nothing more after an
 * error, including an alert of the peer.
 */
abstract class BaseReader {
  protected readonly parser: RecordParser;

  constructor(parser: RecordParser) {
    this.parser = parser;
  }

  /** Received bytes that are not opened yet. */
  get pending(): number {
    return this.parser.pending;
  }

  /** Whether the record that confirms the client's key has not arrived yet. */
  get awaitingConfirm(): boolean {
    return this.parser.awaitingConfirm;
  }

  /** Adds received bytes. The reader keeps the chunk. */
  add(chunk: Bytes): void {
    this.parser.add(chunk);
  }

  /** The stream ended after the added bytes. Throws unless the peer ended its direction before. */
  end(): void {
    this.parser.end();
  }

  /** Stops reading. */
  stop(): void {
    this.parser.stop();
  }
}

type PublicReader = Pick<BaseReader, 'pending' | 'awaitingConfirm' | 'add' | 'end' | 'stop'>;

/** A reader over a synchronous cipher. */
export interface SyncRecordReader extends PublicReader {
  readonly sync: true;
  /**
   * The next event; undefined if no whole record is left.
   *
   * @param chunk - received bytes, which the reader keeps. All earlier events must have been read.
   */
  read(chunk?: Bytes): RecordEvent | undefined;
  /** Creates the next decipher ahead of time. */
  prepare(): void;
}

/** A reader over an asynchronous cipher. One `read` at a time. */
export interface AsyncRecordReader extends PublicReader {
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

class SyncReader extends BaseReader implements SyncRecordReader {
  readonly sync = true;
  #epoch: SyncEpoch<GcmDecipher>;

  constructor(backend: SyncBackend, secret: Bytes, parser: RecordParser) {
    super(parser);
    this.#epoch = new SyncEpoch(backend, secret, createDecipher);
  }

  read(chunk?: Bytes): RecordEvent | undefined {
    const parser = this.parser;
    try {
      let event: RecordEvent | undefined = chunk ? undefined : parser.content();
      let added = chunk;
      while (event === undefined) {
        const record = parser.take(added);
        if (!record) return undefined;
        added = undefined;
        event = this.#open(record);
      }
      return event;
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  override stop(): void {
    super.stop();
    this.#epoch.discard();
  }

  prepare(): void {
    if (!this.parser.stopped) this.#epoch.prepare();
  }

  /** Opens a record. Returns its event, if it has one. */
  #open(record: ReceivedRecord): RecordEvent | undefined {
    const { seq, final } = record;
    const isJoined = record.more.length > 0 && mustJoin(record);
    const first = isJoined ? concatBytes([record.first, ...record.more]) : record.first;
    const more = isJoined ? noPieces : record.more;
    const last = more[more.length - 1] ?? first;
    const tagStart = last.length - tagLength;
    // Copying so few bytes costs less than creating views of them.
    for (let index = 0; index < headerLength; index += 1) header[index] = first[index] ?? 0;
    for (let index = 0; index < tagLength; index += 1) tag[index] = last[tagStart + index] ?? 0;
    const decipher = this.#epoch.cipherFor(seq);
    decipher.setAAD(header);
    decipher.setAuthTag(tag);
    const opened = decipher.update(viewOf(first, headerLength, last === first ? tagStart : first.length));
    const pieces = more.length === 0 ? noPieces : [opened];
    for (const piece of more) {
      pieces.push(decipher.update(piece === last ? viewOf(piece, 0, tagStart) : piece));
    }
    try {
      decipher.final();
    } catch {
      return this.parser.accept(undefined, final);
    }
    if (final) this.#epoch = this.#epoch.next();
    return more.length === 0
      ? this.parser.accept(opened, final)
      : this.parser.acceptPieces(pieces.map(toPlain), final);
  }
}

// Frozen, because all records share it.
const noPieces = Object.freeze<Bytes[]>([]) as Bytes[];

/** The bytes as a plain Uint8Array: applications get no `Buffer`. */
function toPlain(bytes: Bytes): Bytes {
  return viewOf(bytes, 0, bytes.length);
}

/** Whether a record in pieces is short, or its header or its tag is split between pieces. */
function mustJoin({ first, more, length }: ReceivedRecord): boolean {
  const last = more[more.length - 1] ?? first;
  return length < minInPieces || first.length < headerLength + plaintextHead || last.length < tagLength;
}

/** Limits of the records that are decrypted at a time. */
const maxBatchRecords = 32;
const maxBatchBytes = 256 * 1024;

interface OpenedRecord {
  /** Undefined if the tag was wrong. */
  readonly plaintext: Bytes | undefined;
  readonly final: boolean;
}

class AsyncReader extends BaseReader implements AsyncRecordReader {
  readonly sync = false;
  #epoch: AsyncEpoch;
  #opened: OpenedRecord[] = [];
  /** The error of the record after the opened ones. `read` returns the opened ones first. */
  #failure: K4netError | undefined;

  constructor(backend: AsyncBackend, secret: Bytes, parser: RecordParser) {
    super(parser);
    this.#epoch = new AsyncEpoch(backend, Promise.resolve(secret));
  }

  async read(): Promise<RecordEvent | undefined> {
    try {
      for (;;) {
        const event = this.#nextOpened();
        if (event !== undefined || this.parser.stopped) return event;
        if (this.#failure !== undefined) throw this.#failure;
        if (!(await this.#openBatch())) return undefined;
      }
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  override stop(): void {
    super.stop();
    this.#opened = [];
  }

  /** The next event of the records that are opened. */
  #nextOpened(): RecordEvent | undefined {
    const parser = this.parser;
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
        const record = this.parser.take();
        if (!record) break;
        opening.push(this.#open(record));
        bytes += record.length;
      }
    } catch (error) {
      if (!K4netError.is(error)) throw error;
      this.#failure = error;
    }
    const opened = await Promise.all(opening);
    if (!this.parser.stopped) this.#opened = opened;
    return opening.length > 0 || this.#failure !== undefined;
  }

  #open({ first, more, seq, final }: ReceivedRecord): Promise<OpenedRecord> {
    const epoch = this.#epoch;
    if (final) this.#epoch = epoch.next();
    return openOne(epoch, more.length > 0 ? concatBytes([first, ...more]) : first, seq, final);
  }
}

async function openOne(epoch: AsyncEpoch, record: Bytes, seq: number, final: boolean): Promise<OpenedRecord> {
  const { gcm, iv } = await epoch.keys;
  const nonce = new Uint8Array(ivLength);
  writeNonce(nonce, iv, 0, seq);
  const plaintext = await gcm.open(nonce, record.subarray(0, headerLength), record.subarray(headerLength));
  return { plaintext, final };
}
