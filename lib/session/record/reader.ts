import { type Bytes, concatBytes, viewOf } from '../../util/bytes.js';
import { K4netError, TooLargeError } from '../../errors.js';
import { noOptions, withOptions } from '../../util/options.js';
import { alertNumber, decodeAlert, peerAlert } from './alerts.js';
import { ByteQueue } from './byte-queue.js';
import { MessageBoundary } from './message-boundary.js';
import {
  defaultRecordLimit,
  finalHead,
  minimumRecord,
  plaintextHead,
  recordHead,
  recordOverhead,
  recordType,
} from './format.js';

/** What the receiving half of a session tells. */
export interface RecordHandler {
  /** Stream content, authenticated, in the order it was sent. The handler keeps the chunk. */
  data(chunk: Bytes): void;
  /** The server has accepted the client's key. */
  confirmed?(): void;
  /** The peer has ended its direction, in good order. */
  closed(): void;
}

/** How a direction is opened. */
export interface OpenerOptions {
  /** The longest plaintext that is accepted. */
  readonly limit?: number;
  /** Whether the first record must be a confirm. */
  readonly awaitConfirm?: boolean;
  /** Key changes of the peer within ten seconds that are accepted. */
  readonly maxKeyChanges?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
  /** Number of the first record, for tests only. @internal */
  readonly firstSeq?: number;
}

/** A record that is whole, and whose length, number and head are in order. */
export interface TakenRecord {
  /** The record with its length. */
  readonly pieces: Bytes[];
  readonly length: number;
  readonly seq: number;
  readonly final: boolean;
}

const sequenceLimit = 2 ** 24;
const emptyLimit = 32;
const keyChangeWindow = 10_000;

const clock = (): number => performance.now();

/** The checks of every record, in the order of "Errors" in docs/protocol.md; opening one is left to the cipher. */
export class RecordReader {
  readonly #queue = new ByteQueue();
  readonly #boundary = new MessageBoundary();
  readonly #handler: RecordHandler;
  readonly #limit: number;
  readonly #maxKeyChanges: number;
  readonly #now: () => number;
  #keyChanges: number[] | undefined;
  #seq: number;
  #empty = 0;
  #awaitingConfirm: boolean;
  #closed = false;
  #stopped = false;

  constructor(handler: RecordHandler, given: OpenerOptions = noOptions) {
    const options = withOptions(given);
    this.#handler = handler;
    this.#limit = options.limit ?? defaultRecordLimit;
    this.#seq = options.firstSeq ?? 0;
    this.#awaitingConfirm = options.awaitConfirm ?? false;
    this.#maxKeyChanges = options.maxKeyChanges ?? 100;
    this.#now = options.now ?? clock;
  }

  get pending(): number {
    return this.#queue.size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get awaitingConfirm(): boolean {
    return this.#awaitingConfirm;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.drain();
  }

  /** Runs a task unless all is over; an error of the task ends it all. */
  guard(task: () => void): void {
    if (this.#stopped) return;
    try {
      task();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** The same for a task that may take a while. */
  async guardAsync(task: () => void | Promise<void>): Promise<void> {
    if (this.#stopped) return;
    try {
      await task();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  add(chunk: Bytes): void {
    if (!this.#stopped) this.#queue.push(chunk);
  }

  settle(): void {
    this.#queue.settle();
  }

  /** The next record that is whole: steps 1 and 2 as far as the outside of a record shows. */
  take(): TakenRecord | undefined {
    const length = this.#stopped ? undefined : this.#queue.peekLength();
    if (length === undefined) return undefined;
    const longest = this.#limit + recordOverhead;
    if (length > longest) throw new TooLargeError(length, longest, 'a record');
    if (length < minimumRecord) {
      throw new K4netError('K4NET_MALFORMED', `a record of ${length} bytes is too short`);
    }
    if (this.#queue.size < 4 + length) return undefined;
    const seq = this.#seq;
    if (seq >= sequenceLimit) {
      throw new K4netError('K4NET_UNEXPECTED', 'the peer has sent too many records under one key');
    }
    const pieces = this.#queue.take(4 + length);
    const head = byteAt(pieces, 4);
    if (head !== recordHead && head !== finalHead) {
      throw new K4netError('K4NET_UNEXPECTED', 'a record has an unknown head');
    }
    const final = head === finalHead;
    this.#seq = final ? 0 : seq + 1;
    return { pieces, length: 4 + length, seq, final };
  }

  /** A record's plaintext, undefined where it did not open: the rest of step 2, then what it says. */
  accept(plaintext: Bytes[] | undefined, final: boolean): void {
    if (!plaintext)
      throw new K4netError('K4NET_DECRYPT', 'a record was changed on the way, or is not the next one');
    const type = plaintext[0]?.[0] ?? 0;
    const content = unpad(plaintext);
    this.#checkType(type);
    if (type === recordType.stream) this.#countEmpty(content);
    if (final) this.#countKeyChange();
    if (type === recordType.stream) this.#deliver(content);
    else if (type === recordType.alert) this.#alert(content);
    else if (type === recordType.confirm) this.#confirm(content);
  }

  end(): void {
    if (this.#awaitingConfirm) {
      throw new K4netError(
        'K4NET_PEER_CLOSED',
        'the server ended the connection instead of accepting the key',
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

  #countEmpty(content: readonly Bytes[]): void {
    if (content.length > 0) {
      this.#empty = 0;
      return;
    }
    this.#empty += 1;
    if (this.#empty > emptyLimit) {
      throw new K4netError('K4NET_UNEXPECTED', 'the peer sends nothing but empty records');
    }
  }

  #countKeyChange(): void {
    const now = this.#now();
    const changes = (this.#keyChanges ??= []);
    while (changes[0] !== undefined && now - changes[0] >= keyChangeWindow) changes.shift();
    if (changes.length >= this.#maxKeyChanges) {
      throw new K4netError('K4NET_UNEXPECTED', 'the peer changes its key too often');
    }
    if (this.#maxKeyChanges < Infinity) changes.push(now);
  }

  #deliver(content: readonly Bytes[]): void {
    for (const chunk of content) {
      if (this.#stopped) return;
      this.#boundary.track(chunk);
      this.#handler.data(chunk);
    }
  }

  #alert(content: readonly Bytes[]): void {
    const alert = decodeAlert(concatBytes(content));
    if (alert.alert !== alertNumber.close || this.#awaitingConfirm) throw peerAlert(alert);
    if (!this.#boundary.between) {
      throw new K4netError('K4NET_UNEXPECTED', 'the peer ended the session within a message');
    }
    this.#closed = true;
    this.stop();
    this.#handler.closed();
  }

  #confirm(content: readonly Bytes[]): void {
    if (content.length > 0) throw new K4netError('K4NET_MALFORMED', 'a confirm has no content');
    this.#awaitingConfirm = false;
    this.#handler.confirmed?.();
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

/** The content of a plaintext, without empty pieces: its head and its padding, which must be zeros, taken off. */
export function unpad(plaintext: readonly Bytes[]): Bytes[] {
  const [first, ...others] = plaintext;
  if (!first) return [];
  let pad = (first[1] ?? 0) | ((first[2] ?? 0) << 8) | ((first[3] ?? 0) << 16);
  if (others.length === 0 && pad === 0) {
    return first.length > plaintextHead ? [viewOf(first, plaintextHead, first.length)] : [];
  }
  const content = [first.subarray(plaintextHead), ...others].filter(({ length }) => length > 0);
  while (pad > 0) {
    const last = content.pop();
    if (!last) throw new K4netError('K4NET_MALFORMED', 'a record has more padding than room for it');
    const kept = Math.max(0, last.length - pad);
    for (let index = kept; index < last.length; index += 1) {
      if (last[index] !== 0) throw new K4netError('K4NET_MALFORMED', 'the padding of a record is not zero');
    }
    pad -= last.length - kept;
    if (kept > 0) content.push(last.subarray(0, kept));
  }
  return content;
}
