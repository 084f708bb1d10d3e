import type { Bytes } from '../../util/bytes.js';
import type { Backend } from '../../crypto/backend.js';
import { K4netError } from '../../errors.js';
import { noOptions, withOptions } from '../../util/options.js';
import { alertNumber } from './alert-number.js';
import { alertFor, alertName, encodeAlert } from './alerts.js';
import {
  type PlannedRecord,
  type RecordWriter,
  defaultRecordLimit,
  plaintextHead,
  recordType,
} from './format.js';
import { type Padding, noPadding } from './padding.js';
import { createWriter } from './writer.js';

/**
 * Records and plaintext bytes after which a sender must change its key: "Rekeying" in
 * docs/protocol.md.
 */
const maxRecordsPerKey = 2 ** 20;
const maxBytesPerKey = 2 ** 36;

/** The settings of the sending direction. */
export interface SealerOptions {
  /** The longest plaintext that the peer accepts, in bytes. Default: 64 KiB. */
  readonly limit?: number;
  readonly padding?: Padding;
  /**
   * Records and plaintext bytes under one key before a rekey. Larger values than those of the
   * protocol are lowered.
   */
  readonly rekeyRecords?: number;
  readonly rekeyBytes?: number;
  /**
   * Sequence number of the first record and plaintext bytes before it, for tests only. @internal
   */
  readonly firstSeq?: number;
  readonly firstBytes?: number;
}

const noContent: readonly Bytes[] = [];

/**
 * The sending half of the record layer, from epoch 1 on: "Records" in docs/protocol.md. It cuts the
 * stream into records and decides sequence numbers, padding and rekeying; a {@link RecordWriter}
 * seals them.
 *
 * Every call numbers its records before it returns, and never uses a number twice, even if sealing
 * fails. With a synchronous cipher the result is the bytes. Otherwise it is a promise, and the
 * promises settle in the order of the calls. The caller may reuse the parts as soon as a call
 * returns.
 */
export class RecordSealer {
  readonly #writer: RecordWriter;
  readonly #limit: number;
  readonly #padding: Padding;
  readonly #rekeyRecords: number;
  readonly #rekeyBytes: number;
  #seq: number;
  #bytes: number;
  #ended = false;

  /** @param secret - the traffic secret of epoch 1. The sealer overwrites it. */
  constructor(backend: Backend, secret: Bytes, given: SealerOptions = noOptions) {
    const options = withOptions(given);
    this.#writer = createWriter(backend, secret);
    this.#limit = options.limit ?? defaultRecordLimit;
    this.#padding = options.padding ?? noPadding;
    this.#seq = options.firstSeq ?? 0;
    this.#bytes = options.firstBytes ?? 0;
    this.#rekeyRecords = Math.min(options.rekeyRecords ?? Infinity, maxRecordsPerKey);
    this.#rekeyBytes = Math.min(options.rekeyBytes ?? Infinity, maxBytesPerKey);
  }

  /** Stream records of all parts joined, split at the limit. No record if there is no content. */
  stream(parts: readonly Bytes[]): Bytes[] | Promise<Bytes[]> {
    if (this.#ended) throw endedError();
    const room = this.#limit - plaintextHead;
    let total = 0;
    for (const part of parts) total += part.length;
    if (total === 0) return this.#writer.write([]);
    if (total <= room) return this.#writer.write([this.#plan(recordType.stream, parts, total)]);
    return this.#writer.write(this.#cut(parts, room));
  }

  /** Changes the key now, with an empty keepalive as the last record under the old key. */
  rekey(): Bytes[] | Promise<Bytes[]> {
    if (this.#ended) throw endedError();
    return this.#writer.write([this.#plan(recordType.keepalive, noContent, 0, true)]);
  }

  /** The record by which a server accepts the client's key: "Confirm" in docs/protocol.md. */
  confirm(): Bytes[] | Promise<Bytes[]> {
    if (this.#ended) throw endedError();
    return this.#writer.write([this.#plan(recordType.confirm, noContent, 0)]);
  }

  /**
   * Ends this direction with alert 0, which is allowed between two messages only: "Closing" in
   * docs/protocol.md.
   */
  close(): Bytes[] | Promise<Bytes[]> {
    if (this.#ended) throw endedError();
    return this.#alert(alertNumber.close, '');
  }

  /**
   * Ends this direction with the alert for an error. Returns no records if the protocol has no
   * alert for it, or if the direction has ended: nothing may follow an alert.
   */
  fail(error: K4netError): Bytes[] | Promise<Bytes[]> {
    const alert = alertFor(error.code);
    return alert === undefined || this.#ended ? [] : this.#alert(alert, alertName(alert));
  }

  /**
   * Creates the next cipher ahead of time. Call it after a write, when the process may be about to
   * wait.
   */
  prepare(): void {
    if (!this.#ended) this.#writer.prepare();
  }

  /** Drops the prepared cipher. Only an alert may follow. */
  stop(): void {
    this.#writer.stop();
  }

  #alert(code: number, text: string): Bytes[] | Promise<Bytes[]> {
    this.#ended = true;
    const content = encodeAlert(code, 0, text);
    return this.#writer.write([this.#plan(recordType.alert, [content], content.length)]);
  }

  #cut(parts: readonly Bytes[], room: number): PlannedRecord[] {
    const records: PlannedRecord[] = [];
    let content: Bytes[] = [];
    let length = 0;
    for (const part of parts) {
      let rest = part;
      while (length + rest.length > room) {
        const taken = room - length;
        content.push(rest.subarray(0, taken));
        records.push(this.#plan(recordType.stream, content, room));
        rest = rest.subarray(taken);
        content = [];
        length = 0;
      }
      if (rest.length > 0) content.push(rest);
      length += rest.length;
    }
    if (length > 0) records.push(this.#plan(recordType.stream, content, length));
    return records;
  }

  #plan(
    type: number,
    content: readonly Bytes[],
    contentLength: number,
    rekey: boolean = false,
  ): PlannedRecord {
    const bare = plaintextHead + contentLength;
    const pad = this.#padding === noPadding ? 0 : this.#padding(bare, this.#limit);
    const seq = this.#seq;
    this.#seq += 1;
    this.#bytes += bare + pad;
    const final = rekey || this.#seq >= this.#rekeyRecords || this.#bytes >= this.#rekeyBytes;
    if (final) {
      this.#seq = 0;
      this.#bytes = 0;
    }
    return { type, content, contentLength, pad, seq, final };
  }
}

function endedError(): K4netError {
  return new K4netError('K4NET_CLOSED', 'this direction of the session has ended');
}
