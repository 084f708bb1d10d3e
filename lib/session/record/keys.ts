import type { Bytes } from '../../util/bytes.js';
import type { AsyncBackend, AsyncGcm, SyncBackend, SyncGcm } from '../../crypto/backend.js';
import { expand, expandAll, expandAllSync, expandSync } from '../key-schedule.js';
import { addSequence } from './format.js';

const secretLength = 32;
const ivLength = 12;

/** The key of one epoch and direction. Making the next one overwrites the secret of this one. */
export class SyncEpoch {
  readonly gcm: SyncGcm;
  readonly #backend: SyncBackend;
  /** The secret, and the iv behind it: an array costs more than what it holds, and every connection has these. */
  readonly #kept: Bytes = new Uint8Array(secretLength + ivLength);

  /** @param secret - belongs to the epoch from here on. */
  constructor(backend: SyncBackend, secret: Bytes) {
    this.#backend = backend;
    const [key, iv] = expandAllSync(backend, secret, [{ label: 'key' }, { label: 'iv', length: ivLength }]);
    this.gcm = backend.gcm(key);
    key.fill(0);
    // A copy, because what a cipher has read has got memory outside of the heap.
    this.#kept.set(secret);
    this.#kept.set(iv, secretLength);
    secret.fill(0);
  }

  writeNonce(target: Bytes, seq: number): void {
    for (let index = 0; index < ivLength; index += 1) target[index] = this.#kept[secretLength + index] ?? 0;
    addSequence(target, seq);
  }

  next(): SyncEpoch {
    const spent = this.#kept.slice(0, secretLength);
    const secret = expandSync(this.#backend, spent, 'update');
    spent.fill(0);
    this.#kept.fill(0);
    return new SyncEpoch(this.#backend, secret);
  }
}

/** What an epoch's secret makes. */
export interface AsyncKeys {
  readonly gcm: AsyncGcm;
  readonly iv: Bytes;
}

/** The same where every derivation takes a while: records can be numbered before their key is there. */
export class AsyncEpoch {
  readonly keys: Promise<AsyncKeys>;
  readonly #backend: AsyncBackend;
  readonly #secret: Promise<Bytes>;

  constructor(backend: AsyncBackend, secret: Promise<Bytes>) {
    this.#backend = backend;
    this.#secret = secret;
    this.keys = this.#derive();
    // A failure is the failure of every record of the epoch; here it is only kept from being nobody's.
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
