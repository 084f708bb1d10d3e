import type { Bytes } from '../../util/bytes.js';

/** The types of the records: see "Records" in docs/protocol.md. */
export const recordType = { handshake: 1, stream: 2, alert: 3, confirm: 4, keepalive: 5 } as const;

/** The head byte of a record, and of the last one under its key. */
export const recordHead = 0x40;
export const finalHead = 0x41;

/** Bytes of a plaintext before its content: the type and the length of the padding. */
export const plaintextHead = 4;
/** Bytes of a record beside its plaintext, without the length: the head and the tag. */
export const recordOverhead = 17;
export const tagLength = 16;
export const minimumRecord: number = plaintextHead + recordOverhead;

/** The longest plaintext for a receiver that has not said anything about it. */
export const defaultRecordLimit = 65_536;
/** The longest unit of a handshake, and all of them in one direction with their lengths. */
export const handshakeUnitLimit = 4096;
export const handshakeLimit = 8192;

/** A record, numbered and ready to be sealed. */
export interface PlannedRecord {
  readonly type: number;
  readonly content: readonly Bytes[];
  readonly contentLength: number;
  readonly pad: number;
  readonly seq: number;
  /** Whether it is the last record under its key. */
  readonly final: boolean;
}

/** Seals planned records in their order: at once, or later. */
export interface RecordWriter {
  write(records: readonly PlannedRecord[]): Bytes[] | Promise<Bytes[]>;
}

/** Writes the nonce of a record. A sequence number is below 2^53. */
export function writeNonce(target: Bytes, iv: Bytes, seq: number): void {
  target.set(iv);
  addSequence(target, seq);
}

/** Makes the nonce of an iv that is already in its place. */
export function addSequence(target: Bytes, seq: number): void {
  let rest = seq;
  for (let index = 4; rest > 0; index += 1) {
    target[index] = (target[index] ?? 0) ^ (rest & 0xff);
    rest = Math.floor(rest / 256);
  }
}

/** Writes what stands before the ciphertext, which is also what the tag covers beside it: the length and the head. */
export function writeRecordHeader(target: Bytes, offset: number, plaintext: number, final: boolean): void {
  const length = plaintext + recordOverhead;
  target[offset] = length;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length >>> 16;
  target[offset + 3] = length >>> 24;
  target[offset + 4] = final ? finalHead : recordHead;
}

/** Writes the first bytes of a plaintext. */
export function writePlaintextHead(target: Bytes, offset: number, type: number, pad: number): void {
  target[offset] = type;
  target[offset + 1] = pad;
  target[offset + 2] = pad >>> 8;
  target[offset + 3] = pad >>> 16;
}
