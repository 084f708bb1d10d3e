import { type Bytes, ascii, concatBytes, noBytes, u16Bytes, u32Bytes } from '../util/bytes.js';
import type { Backend, KeyInfo, SyncBackend } from '../crypto/backend.js';
import { withOptions } from '../util/options.js';

const zeroSalt = new Uint8Array(32);

/** The info input of HKDF: `I` of "Key schedule" in docs/protocol.md. */
function info(label: string, context: Bytes, length: number): Bytes {
  return concatBytes([u16Bytes(length), ascii(`k4net/1 ${label}\0`), context]);
}

/** Derives a secret with HKDF: `X` of "Key schedule" in docs/protocol.md. */
export async function expand(
  backend: Backend,
  secret: Bytes,
  label: string,
  context: Bytes = noBytes,
  length: number = 32,
): Promise<Bytes> {
  return backend.hkdf(secret, zeroSalt, info(label, context, length), length);
}

/** The label, context and length of one derived secret. */
export interface Derived {
  readonly label: string;
  readonly context?: Bytes;
  readonly length?: number;
}

type EachBytes<T extends readonly unknown[]> = { [K in keyof T]: Bytes };

function infoOf(derived: Derived): KeyInfo {
  const { label, context = noBytes, length = 32 } = withOptions(derived);
  return { info: info(label, context, length), length };
}

/** Derives several secrets from one. The extract step of HKDF runs once for all. */
export async function expandAll<const T extends readonly Derived[]>(
  backend: Backend,
  secret: Bytes,
  derived: T,
): Promise<EachBytes<T>> {
  return (await backend.hkdfAll(secret, zeroSalt, derived.map(infoOf))) as EachBytes<T>;
}

/** Derives several secrets from one with a synchronous backend. */
export function expandAllSync<const T extends readonly Derived[]>(
  backend: SyncBackend,
  secret: Bytes,
  derived: T,
): EachBytes<T> {
  return backend.hkdfAll(secret, zeroSalt, derived.map(infoOf)) as EachBytes<T>;
}

/** Derives one secret with a synchronous backend. */
export function expandSync(backend: SyncBackend, secret: Bytes, label: string, length: number = 32): Bytes {
  return backend.hkdf(secret, zeroSalt, info(label, noBytes, length), length);
}

/**
 * The transcript of the handshake, over all bodies so far: `T` of "Key schedule" in
 * docs/protocol.md.
 */
export class Transcript {
  readonly #parts: Bytes[] = [];
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  add(body: Bytes): void {
    this.#parts.push(u32Bytes(body.length), body);
  }

  /** The hash of the transcript. `last` adds the first part of one more body and its length. */
  async hash(last?: { readonly length: number; readonly part: Bytes }): Promise<Bytes> {
    const parts = last ? [...this.#parts, u32Bytes(last.length), last.part] : this.#parts;
    return this.#backend.sha256(concatBytes(parts));
  }
}

/** A secret for each direction. */
export interface TrafficSecrets {
  readonly client: Bytes;
  readonly server: Bytes;
}

/** The secrets that both sides can derive after ServerHello. */
export interface HandshakeSecrets {
  readonly traffic: TrafficSecrets;
  readonly clientFinished: Bytes;
  readonly serverFinished: Bytes;
  /** Derives the master secret and overwrites the handshake secret. */
  master(th3: Bytes): Promise<Bytes>;
}

/** The secrets of the handshake. Overwrites the premaster and the shared secret. */
export async function handshakeSecrets(
  backend: Backend,
  suite: number,
  premaster: Bytes,
  shared: Bytes,
  th1: Bytes,
): Promise<HandshakeSecrets> {
  const ikm = concatBytes([premaster, shared]);
  const salt = await backend.sha256(concatBytes([ascii('k4net/1\0'), u16Bytes(suite)]));
  const secret = await backend.hkdf(ikm, salt, info('handshake', th1, 32), 32);
  for (const spent of [ikm, premaster, shared]) spent.fill(0);
  const [client, server, clientFinished, serverFinished] = await expandAll(backend, secret, [
    { label: 'c traffic' },
    { label: 's traffic' },
    { label: 'c finished' },
    { label: 's finished' },
  ]);
  return {
    traffic: { client, server },
    clientFinished,
    serverFinished,
    async master(th3) {
      const master = await expand(backend, secret, 'master', th3);
      secret.fill(0);
      return master;
    },
  };
}

/** The traffic secrets of epoch 1. */
export async function trafficSecrets(backend: Backend, secret: Bytes): Promise<TrafficSecrets> {
  const [client, server] = await expandAll(backend, secret, [{ label: 'c traffic' }, { label: 's traffic' }]);
  return { client, server };
}

/** The bytes that the client's key signs: "Key schedule" in docs/protocol.md. */
export function signedContent(hash: Bytes): Bytes {
  return concatBytes([new Uint8Array(64).fill(0x20), ascii('k4net/1 client auth\0'), hash]);
}
