import { type Bytes, concatBytes, noBytes, readU32, viewOf } from '../../util/bytes.js';
import { K4netError, TooLargeError } from '../../errors.js';
import { noOptions, withOptions } from '../../util/options.js';
import { alertNumber } from './alert-number.js';
import { decodeAlert, peerAlert } from './alerts.js';
import { ByteQueue } from '../../util/byte-queue.js';
import {
  defaultRecordLimit,
  finalHead,
  minimumRecord,
  plaintextHead,
  recordHead,
  recordOverhead,
  recordType,
} from './format.js';
import { MessageBoundary } from './message-boundary.js';

/**
 * An event of the peer's records. Bytes: stream content, authenticated and in order, in a buffer of
 * its own. `confirmed`: the server accepted the client's key. `closed`: the peer ended its
 * direction cleanly.
 */
export type RecordEvent = Bytes | 'confirmed' | 'closed';

/** The settings of the receiving direction. */
export interface ReaderOptions {
  /** The longest plaintext that is accepted, in bytes. Default: 64 KiB. */
  readonly limit?: number;
  /** Whether the first record must be a confirm. */
  readonly awaitConfirm?: boolean;
  /** Largest number of rekeys of the peer within ten seconds. Default: 100. */
  readonly maxKeyChanges?: number;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
  /** Sequence number of the first record, for tests only. @internal */
  readonly firstSeq?: number;
}

/** A whole record whose length, sequence number and head are valid. */
export interface ReceivedRecord {
  /** The record with its length field, or the first piece of it. */
  readonly first: Bytes;
  /** Further pieces of a record that was received in several chunks. */
  readonly more: readonly Bytes[];
  readonly length: number;
  readonly seq: number;
  readonly final: boolean;
}

const sequenceLimit = 2 ** 24;
const maxEmptyRecords = 32;
const defaultMaxKeyChanges = 100;
const keyChangeWindow = 10_000;
const noContent: readonly Bytes[] = [];

const clock = (): number => performance.now();

/**
 * The checks of received records, in the order of "Errors" in docs/protocol.md, without the cipher:
 * {@link take} gives the next sealed record, {@link accept} gets its plaintext.
 */
export class RecordParser {
  readonly #queue = new ByteQueue();
  readonly #boundary = new MessageBoundary();
  readonly #limit: number;
  readonly #maxKeyChanges: number;
  readonly #now: () => number;
  #keyChanges: number[] | undefined;
  #seq: number;
  #emptyRecords = 0;
  #awaitingConfirm: boolean;
  /** Set by `stop` only. */
  stopped = false;
  /**
   * Content of the last stream record, if it has several pieces, and the number of pieces read.
   */
  #content = noContent;
  #contentRead = 0;

  constructor(given: ReaderOptions = noOptions) {
    const options = withOptions(given);
    this.#limit = options.limit ?? defaultRecordLimit;
    this.#seq = options.firstSeq ?? 0;
    this.#awaitingConfirm = options.awaitConfirm ?? false;
    this.#maxKeyChanges = options.maxKeyChanges ?? defaultMaxKeyChanges;
    this.#now = options.now ?? clock;
  }

  /** Received bytes that are not opened yet. */
  get pending(): number {
    return this.#queue.size;
  }

  get awaitingConfirm(): boolean {
    return this.#awaitingConfirm;
  }

  /** Stops reading and drops received bytes. */
  stop(): void {
    this.stopped = true;
    this.#content = noContent;
    this.#queue.drain();
  }

  /** Adds received bytes. The parser keeps the chunk. */
  add(chunk: Bytes): void {
    if (!this.stopped) this.#queue.push(chunk);
  }

  /**
   * The next whole record: steps 1 and 2 of "Errors" in docs/protocol.md, as far as they need no
   * key.
   *
   * @param chunk - further received bytes. The parser keeps the chunk.
   */
  take(chunk?: Bytes): ReceivedRecord | undefined {
    const queue = this.#queue;
    if (chunk === undefined) {
      if (queue.size === 0) return undefined;
    } else if (this.stopped) {
      return undefined;
    } else if (
      queue.size === 0 &&
      chunk.length >= 4 + minimumRecord &&
      chunk.length <= 4 + recordOverhead + this.#limit &&
      chunk.length === 4 + readU32(chunk, 0)
    ) {
      // A chunk that is exactly one record needs no queue.
      return this.#number(chunk, noContent, chunk.length, chunk[4]);
    } else {
      queue.push(chunk);
    }
    const length = this.#nextLength();
    if (length === undefined || queue.size < 4 + length) {
      queue.settle();
      return undefined;
    }
    const [first = noBytes, ...more] = queue.take(4 + length);
    return this.#number(first, more, 4 + length, first[4] ?? byteAt(more, 4 - first.length));
  }

  #nextLength(): number | undefined {
    const length = this.#queue.peekLength();
    if (length === undefined) return undefined;
    const longest = this.#limit + recordOverhead;
    if (length > longest) throw new TooLargeError(length, longest, 'a record', 'recordLimit');
    if (length < minimumRecord) {
      throw new K4netError(
        'K4NET_MALFORMED',
        `a record of ${length} bytes is too short: the minimum is ${minimumRecord}`,
      );
    }
    return length;
  }

  /** Gives a record its sequence number. */
  #number(first: Bytes, more: readonly Bytes[], length: number, head: number | undefined): ReceivedRecord {
    const seq = this.#seq;
    if (seq >= sequenceLimit) {
      throw new K4netError('K4NET_UNEXPECTED', 'the peer sent more than 2^24 records under one key');
    }
    if (head !== recordHead && head !== finalHead) {
      throw new K4netError('K4NET_UNEXPECTED', `a record has the unknown head ${head ?? 0}`);
    }
    const final = head === finalHead;
    this.#seq = final ? 0 : seq + 1;
    return { first, more, length, seq, final };
  }

  /**
   * The rest of step 2 of "Errors" in docs/protocol.md, and the event of the record, if it has one.
   *
   * @param plaintext - undefined if the tag was wrong.
   */
  accept(plaintext: Bytes | undefined, final: boolean): RecordEvent | undefined {
    if (!plaintext)
      throw new K4netError(
        'K4NET_DECRYPT',
        'a record does not decrypt: it was changed on the path or is not the next one',
      );
    // The first four bytes of a stream record without padding are the number 2.
    const isPlain = readU32(plaintext, 0) === recordType.stream && plaintext.length > plaintextHead;
    if (!isPlain || final || this.#awaitingConfirm) {
      return this.acceptPieces([viewOf(plaintext, 0, plaintext.length)], final);
    }
    this.#emptyRecords = 0;
    const content = viewOf(plaintext, plaintextHead, plaintext.length);
    this.#boundary.track(content);
    return content;
  }

  /** Accepts a plaintext in several pieces: see {@link accept}. */
  acceptPieces(plaintext: readonly Bytes[], final: boolean): RecordEvent | undefined {
    const type = plaintext[0]?.[0] ?? 0;
    const content = unpad(plaintext);
    this.#checkType(type);
    if (type === recordType.stream) this.#countEmpty(content);
    if (final) this.#countKeyChange();
    if (type === recordType.alert) return this.#alert(content);
    if (type === recordType.confirm) return this.#confirm(content);
    if (type === recordType.keepalive) return undefined;
    this.#content = content;
    this.#contentRead = 0;
    return this.content();
  }

  /** The next piece of the stream record that was accepted last. */
  content(): Bytes | undefined {
    if (this.#content === noContent) return undefined;
    const piece = this.#content[this.#contentRead];
    this.#contentRead += 1;
    if (piece === undefined) this.#content = noContent;
    else this.#boundary.track(piece);
    return piece;
  }

  /**
   * The end of the stream is an error unless the peer ended its direction before: "Closing" in
   * docs/protocol.md.
   */
  end(): void {
    if (this.stopped) return;
    this.stop();
    if (this.#awaitingConfirm) {
      throw new K4netError(
        'K4NET_PEER_CLOSED',
        'the server closed the connection before it accepted the client key',
      );
    }
    throw new K4netError('K4NET_TRUNCATED', 'the connection ended without the end of the session');
  }

  #checkType(type: number): void {
    const legal = this.#awaitingConfirm
      ? type === recordType.confirm || type === recordType.alert
      : type === recordType.stream || type === recordType.alert || type === recordType.keepalive;
    if (!legal) throw new K4netError('K4NET_UNEXPECTED', `a record of type ${type} is out of place`);
  }

  /** "Empty records" in docs/protocol.md. */
  #countEmpty(content: readonly Bytes[]): void {
    if (content.length > 0) {
      this.#emptyRecords = 0;
      return;
    }
    this.#emptyRecords += 1;
    if (this.#emptyRecords > maxEmptyRecords) {
      throw new K4netError(
        'K4NET_UNEXPECTED',
        `the peer sent more than ${maxEmptyRecords} empty records in a row`,
      );
    }
  }

  /** "Rekeying" in docs/protocol.md: each rekey costs this side a key derivation. */
  #countKeyChange(): void {
    const now = this.#now();
    const changes = (this.#keyChanges ??= []);
    while (changes[0] !== undefined && now - changes[0] >= keyChangeWindow) changes.shift();
    if (changes.length >= this.#maxKeyChanges) {
      throw new K4netError(
        'K4NET_UNEXPECTED',
        `the peer changed its key more than ${this.#maxKeyChanges} times in 10 seconds`,
      );
    }
    if (this.#maxKeyChanges < Infinity) changes.push(now);
  }

  /** "Closing" in docs/protocol.md. */
  #alert(content: readonly Bytes[]): 'closed' {
    const alert = decodeAlert(concatBytes(content));
    if (alert.alert !== alertNumber.close || this.#awaitingConfirm) throw peerAlert(alert);
    if (!this.#boundary.isBetween) {
      throw new K4netError('K4NET_UNEXPECTED', 'the peer ended the session within a message');
    }
    this.stop();
    return 'closed';
  }

  #confirm(content: readonly Bytes[]): 'confirmed' {
    if (content.length > 0) throw new K4netError('K4NET_MALFORMED', 'a confirm must have no content');
    this.#awaitingConfirm = false;
    return 'confirmed';
  }
}

function byteAt(pieces: readonly Bytes[], index: number): number {
  let rest = index;
  for (const piece of pieces) {
    if (rest < piece.length) return piece[rest] ?? 0;
    rest -= piece.length;
  }
  return 0;
}

/**
 * The content of a plaintext, without empty pieces. Checks the padding: "Padding" in
 * docs/protocol.md. The tag has been verified before, so this check needs no constant time.
 */
export function unpad(plaintext: readonly Bytes[]): readonly Bytes[] {
  const [first] = plaintext;
  if (!first) return noContent;
  let pad = (first[1] ?? 0) | ((first[2] ?? 0) << 8) | ((first[3] ?? 0) << 16);
  if (plaintext.length === 1 && pad === 0) {
    return first.length > plaintextHead ? [viewOf(first, plaintextHead, first.length)] : noContent;
  }
  const content = [first.subarray(plaintextHead), ...plaintext.slice(1)].filter(({ length }) => length > 0);
  while (pad > 0) {
    const last = content.pop();
    if (!last)
      throw new K4netError('K4NET_MALFORMED', 'the padding of a record is longer than its plaintext');
    const kept = Math.max(0, last.length - pad);
    for (let index = kept; index < last.length; index += 1) {
      if (last[index] !== 0) throw new K4netError('K4NET_MALFORMED', 'the padding of a record is not zero');
    }
    pad -= last.length - kept;
    if (kept > 0) content.push(last.subarray(0, kept));
  }
  return content;
}
