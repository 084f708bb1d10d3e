import type { Bytes } from '../../util/bytes.js';
import type { AsyncBackend, AsyncGcm, SyncBackend } from '../../crypto/backend.js';
import { expand, expandAll, expandAllSync, expandSync } from '../key-schedule.js';
import { ivLength, writeNonce } from './format.js';
import { type CipherHolder, acquirePlace, releasePlace } from './prepared-ciphers.js';

const secretLength = 32;
/**
 * Records under a key before the next cipher is prepared: a connection with few messages would not
 * use it.
 */
const recordsBeforePreparing = 2;

/** One buffer for all connections: the creation of a cipher copies the nonce. */
const nonce = new Uint8Array(ivLength);

/** Creates the cipher or decipher of one record. */
export type CreateCipher<C> = (backend: SyncBackend, key: Bytes, nonce: Bytes) => C;

/**
 * The traffic key of one direction for one epoch: "Key schedule" and "Rekeying" in
 * docs/protocol.md. `next` makes the key of the next epoch and overwrites this one.
 *
 * Half the time of sealing or opening a short record is the creation of its cipher. {@link prepare}
 * creates it ahead of time. A prepared cipher belongs to this key and to one sequence number. Only
 * the record with that number can use it, so a nonce is never used for two records. It is dropped
 * with the key.
 */
export class SyncEpoch<C> implements CipherHolder {
  readonly #backend: SyncBackend;
  readonly #create: CreateCipher<C>;
  readonly #key: Bytes;
  /** The secret, then the iv: two arrays would take more memory in every connection. */
  readonly #secretAndIv: Bytes = new Uint8Array(secretLength + ivLength);
  /** The sequence number after the last one that was used. */
  #nextSeq = 0;
  #prepared: C | undefined;
  #preparedSeq = 0;
  hasPlace = false;
  lastUse = 0;

  /** @param secret - is overwritten. */
  constructor(backend: SyncBackend, secret: Bytes, create: CreateCipher<C>) {
    this.#backend = backend;
    this.#create = create;
    const [key, iv] = expandAllSync(backend, secret, [{ label: 'key' }, { label: 'iv', length: ivLength }]);
    this.#key = key;
    // A copy in the JavaScript heap: native code that read the secret has moved it out of the heap,
    // where it takes more memory.
    this.#secretAndIv.set(secret);
    this.#secretAndIv.set(iv, secretLength);
    secret.fill(0);
  }

  /** The cipher for the record with this sequence number. To seal, use each number only once. */
  cipherFor(seq: number): C {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    this.#nextSeq = seq + 1;
    return prepared !== undefined && this.#preparedSeq === seq ? prepared : this.#createFor(seq);
  }

  /**
   * Creates the cipher for the next record, if the connection is in use and the process has a place
   * for it.
   */
  prepare(): void {
    if (this.#prepared !== undefined || this.#nextSeq < recordsBeforePreparing || !acquirePlace(this)) return;
    this.#prepared = this.#createFor(this.#nextSeq);
    this.#preparedSeq = this.#nextSeq;
  }

  discard(): void {
    this.#prepared = undefined;
    if (this.hasPlace) releasePlace(this);
  }

  next(): SyncEpoch<C> {
    this.discard();
    const spent = this.#secretAndIv.slice(0, secretLength);
    const secret = expandSync(this.#backend, spent, 'update');
    for (const each of [spent, this.#secretAndIv, this.#key]) each.fill(0);
    return new SyncEpoch(this.#backend, secret, this.#create);
  }

  #createFor(seq: number): C {
    writeNonce(nonce, this.#secretAndIv, secretLength, seq);
    return this.#create(this.#backend, this.#key, nonce);
  }
}

/** The traffic key and the iv of an epoch. */
export interface AsyncKeys {
  readonly gcm: AsyncGcm;
  readonly iv: Bytes;
}

/**
 * The traffic key of one direction for one epoch, with an asynchronous backend. Records get their
 * sequence numbers before their key exists.
 */
export class AsyncEpoch {
  readonly keys: Promise<AsyncKeys>;
  readonly #backend: AsyncBackend;
  readonly #secret: Promise<Bytes>;

  constructor(backend: AsyncBackend, secret: Promise<Bytes>) {
    this.#backend = backend;
    this.#secret = secret;
    this.keys = this.#derive();
    // Every record of the epoch reports this failure; the handler here only prevents an unhandled
    // rejection.
    this.keys.catch(() => undefined);
  }

  next(): AsyncEpoch {
    return new AsyncEpoch(this.#backend, this.#update());
  }

  async #derive(): Promise<AsyncKeys> {
    const secret = await this.#secret;
    const [key, iv] = await expandAll(this.#backend, secret, [
      { label: 'key' },
      { label: 'iv', length: ivLength },
    ]);
    const gcm = await this.#backend.gcm(key);
    key.fill(0);
    return { gcm, iv };
  }

  async #update(): Promise<Bytes> {
    await this.keys;
    const secret = await this.#secret;
    const next = await expand(this.#backend, secret, 'update');
    secret.fill(0);
    return next;
  }
}
