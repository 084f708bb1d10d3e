import { type Bytes, concatBytes } from '../util/bytes.js';
import type { Backend } from '../crypto/backend.js';
import type { PublicKey } from '../crypto/public-key.js';
import { K4netError } from '../errors.js';
import { noOptions } from '../util/options.js';
import type { ReaderOptions } from './record/parser.js';
import { type RecordReader, createReader } from './record/reader.js';
import { type TrafficSecrets, expand, expandAll, trafficSecrets } from './key-schedule.js';
import { defaultRecordLimit } from './record/format.js';
import { RecordSealer, type SealerOptions } from './record/sealer.js';

/** The results of a handshake. */
export interface SessionFacts {
  readonly role: 'client' | 'server';
  readonly serverKey: PublicKey;
  /** The key that the client showed, if it showed one. */
  readonly clientKey?: PublicKey | undefined;
  readonly serverName?: string | undefined;
  readonly appProtocol?: string | undefined;
  /** The longest record plaintext of each direction, in bytes. */
  readonly sendLimit: number;
  readonly receiveLimit: number;
}

const maxExport = 255 * 32;

/** A session whose handshake has succeeded: "Key schedule" and "Records" in docs/protocol.md. */
export class Session {
  readonly facts: SessionFacts;
  /** The sending half. If a server sends a confirm, this half has sealed it already. */
  readonly sealer: RecordSealer;
  readonly #backend: Backend;
  #receiving: Bytes | undefined;
  /** The session id, then the exporter secret: two arrays would take more memory. */
  readonly #values: Bytes;

  private constructor(
    facts: SessionFacts,
    sealer: RecordSealer,
    secrets: { backend: Backend; receiving: Bytes; id: Bytes; exporter: Bytes },
  ) {
    this.facts = facts;
    this.sealer = sealer;
    this.#backend = secrets.backend;
    this.#receiving = secrets.receiving;
    this.#values = concatBytes([secrets.id, secrets.exporter]);
    secrets.exporter.fill(0);
  }

  /** Derives the last secrets and overwrites the master secret. */
  static async create(facts: SessionFacts, epochOne: EpochOne, th4: Bytes): Promise<Session> {
    const { backend, master, receiving, sealer } = epochOne;
    const [id, exporter] = await expandAll(backend, master, [
      { label: 'session id', context: th4 },
      { label: 'exporter', context: th4 },
    ]);
    master.fill(0);
    return new Session(facts, sealer, { backend, receiving, id, exporter });
  }

  /** 32 bytes that are the same on both sides and in no other session. Not secret. */
  get id(): Bytes {
    return this.#values.slice(0, 32);
  }

  /**
   * Whether this side is a client that has to wait for the confirm of its key. `connect()` resolves
   * only after the confirm.
   */
  get confirmPending(): boolean {
    return this.facts.role === 'client' && this.facts.clientKey !== undefined;
  }

  /** The longest record plaintext that this side accepts. */
  get receiveLimit(): number {
    return this.facts.receiveLimit;
  }

  /** The receiving half. It can be opened only once. */
  open(options: ReaderOptions = noOptions): RecordReader {
    const receiving = this.#receiving;
    if (!receiving)
      throw new K4netError('K4NET_STATE', 'the receiving half of a session can be opened only once');
    this.#receiving = undefined;
    const limits = { limit: this.facts.receiveLimit, awaitConfirm: this.confirmPending };
    return createReader(this.#backend, receiving, { ...options, ...limits });
  }

  /**
   * Key material for the application, the same on both sides: `export` of "Key schedule" in
   * docs/protocol.md.
   *
   * @param label - its purpose, 1 to 255 printable ASCII characters.
   * @param length - number of bytes, 1 to 8160.
   */
  async export(label: string, context: Bytes, length: number): Promise<Bytes> {
    if (typeof label !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(label)) {
      throw new TypeError('the label of an export must be 1 to 255 printable ASCII characters');
    }
    if (!Number.isInteger(length) || length < 1 || length > maxExport) {
      throw new RangeError(
        `the length of an export must be a whole number from 1 to ${maxExport}, not ${length}`,
      );
    }
    const hash = await this.#backend.sha256(context);
    return expand(this.#backend, this.#values.slice(32), label, hash, length);
  }
}

/**
 * The secrets of epoch 1, which ServerFinished makes possible, and the sending half that uses them.
 */
export interface EpochOne {
  readonly backend: Backend;
  readonly master: Bytes;
  readonly receiving: Bytes;
  readonly sealer: RecordSealer;
}

/** The keys of epoch 1 for one side. */
export async function enterEpochOne(
  backend: Backend,
  master: Bytes,
  role: 'client' | 'server',
  options: SealerOptions,
): Promise<EpochOne> {
  const secrets: TrafficSecrets = await trafficSecrets(backend, master);
  const [sending, receiving] =
    role === 'client' ? [secrets.client, secrets.server] : [secrets.server, secrets.client];
  return { backend, master, receiving, sealer: new RecordSealer(backend, sending, options) };
}

/** The longest record plaintext that a side accepts, in bytes. */
export function limitOf(recordLimit: number | undefined): number {
  return recordLimit ?? defaultRecordLimit;
}
