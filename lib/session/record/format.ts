import { type Bytes, writeU32 } from '../../util/bytes.js';

/** The types of records: "Records" in docs/protocol.md. */
export const recordType = { handshake: 1, stream: 2, alert: 3, confirm: 4, keepalive: 5 } as const;

/** The head byte of a record, and that of the last record under its key. */
export const recordHead = 0x40;
export const finalHead = 0x41;

/**
 * Bytes before the ciphertext: the length and the head. They are the additional data of AES-GCM.
 */
export const headerLength = 5;
/** Bytes of a plaintext before its content: the type and the length of the padding. */
export const plaintextHead = 4;
export const tagLength = 16;
export const ivLength = 12;
/** Bytes that the length field counts in addition to the plaintext: the head and the tag. */
export const recordOverhead: number = 1 + tagLength;
export const minimumRecord: number = plaintextHead + recordOverhead;

/**
 * The longest record plaintext for a receiver that sent no record_limit: "Limits" in
 * docs/protocol.md.
 */
export const defaultRecordLimit = 65_536;
/**
 * The longest handshake unit, and the bytes of all handshake units of one direction with their
 * lengths.
 */
export const handshakeUnitLimit = 4096;
export const handshakeLimit = 8192;

/** A record with its sequence number, ready to be sealed. */
export interface PlannedRecord {
  readonly type: number;
  readonly content: readonly Bytes[];
  readonly contentLength: number;
  readonly pad: number;
  readonly seq: number;
  /** Whether it is the last record under its key. */
  readonly final: boolean;
}

/**
 * Seals planned records in the order of the calls, with a synchronous or an asynchronous cipher.
 */
export interface RecordWriter {
  /** The caller may reuse the contents as soon as the call returns. */
  write(records: readonly PlannedRecord[]): Bytes[] | Promise<Bytes[]>;
  /** Creates the next cipher ahead of time, if the cipher is synchronous. */
  prepare(): void;
  /** Releases the prepared cipher: no record follows. */
  stop(): void;
}

/** Writes the nonce of a record: iv XOR (4 zero bytes, u64 seq), "Records" in docs/protocol.md. */
export function writeNonce(target: Bytes, iv: Bytes, ivStart: number, seq: number): void {
  for (let index = 0; index < ivLength; index += 1) target[index] = iv[ivStart + index] ?? 0;
  // A division instead of a shift: a sequence number may have 53 bits.
  let rest = seq;
  for (let index = 4; rest > 0; index += 1) {
    target[index] = (target[index] ?? 0) ^ (rest & 0xff);
    rest = Math.floor(rest / 256);
  }
}

/** Writes the length and the head of a record. */
export function writeRecordHeader(target: Bytes, offset: number, plaintext: number, final: boolean): void {
  writeU32(target, offset, plaintext + recordOverhead);
  target[offset + 4] = final ? finalHead : recordHead;
}

/**
 * Writes a plaintext: its head, its content and its padding of zeros. Overwrites every byte of the
 * target.
 */
export function writePlaintext(
  target: Bytes,
  { type, content, pad }: Pick<PlannedRecord, 'type' | 'content' | 'pad'>,
): void {
  target[0] = type;
  target[1] = pad;
  target[2] = pad >>> 8;
  target[3] = pad >>> 16;
  let offset = plaintextHead;
  for (const part of content) {
    target.set(part, offset);
    offset += part.length;
  }
  if (pad > 0) target.fill(0, offset);
}
