import type { Bytes } from '../../util/bytes.js';
import type { Backend } from '../../crypto/backend.js';
import { K4netError } from '../../errors.js';
import { noOptions, withOptions } from '../../util/options.js';
import { alertNumber, encodeAlert } from './alerts.js';
import { AsyncWriter } from './async-writer.js';
import { type Padding, noPadding } from './padding.js';
import {
  type PlannedRecord,
  type RecordWriter,
  defaultRecordLimit,
  plaintextHead,
  recordType,
} from './format.js';
import { SyncWriter } from './sync-writer.js';

/** How a direction is sealed. */
export interface SealerOptions {
  /** The longest plaintext that the peer accepts. */
  readonly limit?: number;
  readonly padding?: Padding;
  /** Records and plaintext bytes under one key; the protocol's own limits are the greatest. */
  readonly rekeyRecords?: number;
  readonly rekeyBytes?: number;
  /** Number of the first record and plaintext before it, for tests only. @internal */
  readonly firstSeq?: number;
  readonly firstBytes?: number;
}

const none: readonly Bytes[] = [];

/**
 * The sending half of the record layer, from epoch 1 on: see "Records" in docs/protocol.md.
 *
 * Every call numbers its records before it returns and uses a number once, whatever becomes of the record. With a
 * synchronous cipher the answer is the bytes; else it is a promise, and the promises settle in the order of the calls.
 * The parts given are the caller's again as soon as a call returns.
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

  /** @param secret - the traffic secret of epoch 1; belongs to the sealer from here on. */
  constructor(backend: Backend, secret: Bytes, given: SealerOptions = noOptions) {
    const options = withOptions(given);
    this.#writer = backend.sync ? new SyncWriter(backend, secret) : new AsyncWriter(backend, secret);
    this.#limit = options.limit ?? defaultRecordLimit;
    this.#padding = options.padding ?? noPadding;
    this.#seq = options.firstSeq ?? 0;
    this.#bytes = options.firstBytes ?? 0;
    this.#rekeyRecords = Math.min(options.rekeyRecords ?? Infinity, 2 ** 20);
    this.#rekeyBytes = Math.min(options.rekeyBytes ?? Infinity, 2 ** 36);
  }

  /** Whether an alert has been sealed: nothing may follow it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Records of stream content, all parts joined and cut at the limit; no content is no record. */
  stream(parts: readonly Bytes[]): Bytes[] | Promise<Bytes[]> {
    this.#checkOpen();
    const room = this.#limit - plaintextHead;
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
    return this.#writer.write(records);
  }

  /** A record that only keeps the connection alive. */
  keepalive(): Bytes[] | Promise<Bytes[]> {
    this.#checkOpen();
    return this.#writer.write([this.#plan(recordType.keepalive, none, 0)]);
  }

  /** Changes the key now: an empty keepalive that is the last record under the old one. */
  rekey(): Bytes[] | Promise<Bytes[]> {
    this.#checkOpen();
    return this.#writer.write([this.#plan(recordType.keepalive, none, 0, true)]);
  }

  /** What tells a client that its key was accepted. */
  confirm(): Bytes[] | Promise<Bytes[]> {
    this.#checkOpen();
    return this.#writer.write([this.#plan(recordType.confirm, none, 0)]);
  }

  /** Ends this direction: alert 0 in good order (on a message boundary only), any other with an error. */
  alert(code: number = alertNumber.close, app: number = 0, text: string = ''): Bytes[] | Promise<Bytes[]> {
    this.#checkOpen();
    this.#ended = true;
    const content = encodeAlert(code, app, text);
    return this.#writer.write([this.#plan(recordType.alert, [content], content.length)]);
  }

  #plan(
    type: number,
    content: readonly Bytes[],
    contentLength: number,
    rekey: boolean = false,
  ): PlannedRecord {
    const bare = plaintextHead + contentLength;
    const pad = this.#padding(bare, this.#limit);
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

  #checkOpen(): void {
    if (this.#ended) throw new K4netError('K4NET_CLOSED', 'this direction of the session has ended');
  }
}
