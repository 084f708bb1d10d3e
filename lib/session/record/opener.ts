import { type Bytes, concatBytes, viewOf } from '../../util/bytes.js';
import type { AsyncBackend, Backend, SyncBackend } from '../../crypto/backend.js';
import { K4netError } from '../../errors.js';
import { type OpenerOptions, type RecordHandler, RecordReader, type TakenRecord } from './reader.js';
import { tagLength, writeNonce } from './format.js';
import { AsyncEpoch, SyncEpoch } from './keys.js';

/**
 * The receiving half of the record layer, from epoch 1 on: see "Records" in docs/protocol.md.
 *
 * Takes bytes in any segmentation and tells its handler what they mean. An error, the peer's alert included, is
 * thrown (or is the rejection) of `push`, and nothing that comes after it is looked at.
 */
export interface RecordOpener {
  /** Bytes that have been given and not yet handled. */
  readonly pending: number;
  /** Whether the peer has ended its direction in good order. */
  readonly closed: boolean;
  /** Whether the first record has still to say that the client's key was accepted. */
  readonly awaitingConfirm: boolean;
  /** The opener keeps the chunk. The promise, where there is one, settles after those of the calls before. */
  push(chunk: Bytes): void | Promise<void>;
  /** The end of the stream: an error, unless the peer had ended its direction. */
  end(): void | Promise<void>;
  /** Nothing more is to be looked at. */
  stop(): void;
}

/** @param secret - the traffic secret of epoch 1; belongs to the opener from here on. */
export function createOpener(
  backend: Backend,
  secret: Bytes,
  handler: RecordHandler,
  options?: OpenerOptions,
): RecordOpener {
  const intake = new RecordReader(handler, options);
  return backend.sync ? new SyncOpener(backend, secret, intake) : new AsyncOpener(backend, secret, intake);
}

const headerLength = 5;
/** Records shorter than this are joined before they are opened, longer ones are opened piece by piece. */
const short = 4096;

// A record is opened in one go, so every connection can use the same buffers.
const nonceOfAll = new Uint8Array(12);
const headerOfAll = new Uint8Array(headerLength);
const tagOfAll = new Uint8Array(tagLength);

class SyncOpener implements RecordOpener {
  readonly #intake: RecordReader;
  #epoch: SyncEpoch;

  constructor(backend: SyncBackend, secret: Bytes, intake: RecordReader) {
    this.#epoch = new SyncEpoch(backend, secret);
    this.#intake = intake;
  }

  get pending(): number {
    return this.#intake.pending;
  }

  get closed(): boolean {
    return this.#intake.closed;
  }

  get awaitingConfirm(): boolean {
    return this.#intake.awaitingConfirm;
  }

  push(chunk: Bytes): void {
    this.#intake.guard(() => {
      this.#intake.add(chunk);
      for (let record = this.#intake.take(); record; record = this.#intake.take()) {
        this.#intake.accept(this.#open(record), record.final);
      }
      this.#intake.settle();
    });
  }

  end(): void {
    this.#intake.guard(() => {
      this.#intake.end();
    });
  }

  stop(): void {
    this.#intake.stop();
  }

  #open({ pieces, length, seq, final }: TakenRecord): Bytes[] | undefined {
    const epoch = this.#epoch;
    epoch.writeNonce(nonceOfAll, seq);
    const parts = arrange(pieces, length);
    const last = parts.length - 1;
    const [first, end] = [parts[0], parts[last]];
    if (!first || !end) return undefined;
    // Copies, because views of so few bytes cost more.
    for (let index = 0; index < headerLength; index += 1) headerOfAll[index] = first[index] ?? 0;
    const tagStart = end.length - tagLength;
    for (let index = 0; index < tagLength; index += 1) tagOfAll[index] = end[tagStart + index] ?? 0;
    if (last === 0) {
      parts[0] = viewOf(first, headerLength, tagStart);
    } else {
      parts[0] = viewOf(first, headerLength, first.length);
      parts[last] = viewOf(end, 0, tagStart);
    }
    const opened = epoch.gcm.open(nonceOfAll, headerOfAll, parts, tagOfAll);
    if (opened && final) this.#epoch = epoch.next();
    return opened;
  }
}

/** The pieces of a record, joined where a piece would be too short to hold what belongs together. */
function arrange(pieces: Bytes[], length: number): Bytes[] {
  if (pieces.length === 1) return pieces;
  const [first, last] = [pieces[0], pieces.at(-1)];
  const cut = (first?.length ?? 0) < headerLength + 4 || (last?.length ?? 0) < tagLength;
  return cut || length < short ? [concatBytes(pieces)] : pieces;
}

/** Records opened at a time; the next ones wait until these have been handled. */
const batchRecords = 32;
const batchBytes = 262_144;

class AsyncOpener implements RecordOpener {
  readonly #intake: RecordReader;
  #epoch: AsyncEpoch;
  #tail: Promise<void> = Promise.resolve();

  constructor(backend: AsyncBackend, secret: Bytes, intake: RecordReader) {
    this.#epoch = new AsyncEpoch(backend, Promise.resolve(secret));
    this.#intake = intake;
  }

  get pending(): number {
    return this.#intake.pending;
  }

  get closed(): boolean {
    return this.#intake.closed;
  }

  get awaitingConfirm(): boolean {
    return this.#intake.awaitingConfirm;
  }

  push(chunk: Bytes): Promise<void> {
    this.#intake.add(chunk);
    return this.#after(() => this.#drain());
  }

  end(): Promise<void> {
    return this.#after(() => {
      this.#intake.end();
    });
  }

  stop(): void {
    this.#intake.stop();
  }

  // A failure belongs to one call: the intake is stopped by it, so the calls after it find nothing to do.
  #after(task: () => void | Promise<void>): Promise<void> {
    const run = this.#tail.then(() => this.#intake.guardAsync(task));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  async #drain(): Promise<void> {
    for (;;) {
      const { records, failure } = this.#takeBatch();
      const opened = await Promise.all(records.map((record) => this.#open(record)));
      records.forEach((record, index) => {
        // What follows an alert is not looked at, a broken record included.
        if (!this.#intake.stopped) this.#intake.accept(opened[index], record.final);
      });
      if (this.#intake.stopped) return;
      if (failure !== undefined) throw failure;
      if (records.length === 0) break;
    }
    this.#intake.settle();
  }

  #takeBatch(): { records: TakenRecord[]; failure?: K4netError } {
    const records: TakenRecord[] = [];
    let bytes = 0;
    try {
      while (records.length < batchRecords && bytes < batchBytes) {
        const record = this.#intake.take();
        if (!record) break;
        records.push(record);
        bytes += record.length;
      }
    } catch (error) {
      if (K4netError.is(error)) return { records, failure: error };
      throw error;
    }
    return { records };
  }

  #open({ pieces, seq, final }: TakenRecord): Promise<Bytes[] | undefined> {
    const epoch = this.#epoch;
    if (final) this.#epoch = epoch.next();
    return openOne(epoch, concatBytes(pieces), seq);
  }
}

async function openOne(epoch: AsyncEpoch, record: Bytes, seq: number): Promise<Bytes[] | undefined> {
  const { gcm, iv } = await epoch.keys;
  const nonce = new Uint8Array(12);
  writeNonce(nonce, iv, seq);
  const opened = await gcm.open(nonce, record.subarray(0, headerLength), record.subarray(headerLength));
  return opened && [opened];
}
