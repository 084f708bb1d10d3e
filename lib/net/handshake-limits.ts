import { busyUnit } from '../session/handshake/machine.js';
import type { HandshakeHooks } from '../sockets/session-plan.js';
import type { Transport } from '../transport/transport.js';
import { startTimer } from '../util/wait.js';
import { DecryptQueue } from './decrypt-queue.js';
import { readAndDrop } from './read-and-drop.js';

/**
 * Milliseconds that a refused client has to read the reason, and how many refused clients may do so
 * at a time.
 */
const lingerTime = 1_000;
const maxLingering = 256;

/** One handshake in progress, as {@link HandshakeLimits} counts it. */
export class HandshakeSlot implements HandshakeHooks {
  /** The network that the handshake counts for; empty for this machine. */
  readonly origin: string;
  /** Ends the connection when a newer one takes the slot. */
  onDrop: (() => void) | undefined;
  readonly #limits: HandshakeLimits;

  constructor(limits: HandshakeLimits, origin: string) {
    this.#limits = limits;
    this.origin = origin;
  }

  /** From now on no newer connection can take this slot. */
  onHello(): void {
    this.#limits.keep(this);
  }

  scheduleDecryption<T>(job: () => Promise<T>): Promise<T> {
    return this.#limits.decryptQueue.run(this.origin, job);
  }

  /** Frees the slot when the handshake has ended. Later calls do nothing. */
  release(): void {
    this.#limits.release(this);
  }
}

/**
 * The handshake limits of a server, against denial of service: handshakes in progress, in all and
 * by origin, and the RSA decryptions among them.
 */
export class HandshakeLimits {
  readonly decryptQueue: DecryptQueue = new DecryptQueue();
  readonly #max: number;
  readonly #maxPerOrigin: number;
  readonly #slots = new Set<HandshakeSlot>();
  /** Slots whose client has not sent its first message, the oldest first. */
  readonly #silent = new Set<HandshakeSlot>();
  readonly #byOrigin = new Map<string, number>();
  #lingering = 0;

  constructor(max: number, maxPerOrigin: number) {
    this.#max = max;
    this.#maxPerOrigin = maxPerOrigin;
  }

  /** Handshakes in progress. */
  get pending(): number {
    return this.#slots.size;
  }

  /**
   * Returns a slot for a new handshake. If none is free, it takes the slot of the oldest client
   * that has not sent its first message; if the limit of the origin is reached, only of the same
   * origin. Undefined if there is no such client.
   *
   * @param address - of the remote host; empty for a transport without addresses.
   * @param full - treats all slots as taken.
   */
  acquire(address: string, full: boolean = false): HandshakeSlot | undefined {
    const origin = originOf(address);
    // No limit for this machine: behind a local proxy every client has its address, and a local
    // user can do more harm.
    const originFull = origin !== '' && (this.#byOrigin.get(origin) ?? 0) >= this.#maxPerOrigin;
    if (originFull || full || this.#slots.size >= this.#max) {
      const oldest = this.#oldestSilent(originFull ? origin : undefined);
      if (!oldest) return undefined;
      const { onDrop } = oldest;
      oldest.release();
      onDrop?.();
    }
    const slot = new HandshakeSlot(this, origin);
    this.#slots.add(slot);
    this.#silent.add(slot);
    this.#byOrigin.set(origin, (this.#byOrigin.get(origin) ?? 0) + 1);
    return slot;
  }

  keep(slot: HandshakeSlot): void {
    this.#silent.delete(slot);
  }

  release(slot: HandshakeSlot): void {
    if (!this.#slots.delete(slot)) return;
    this.#silent.delete(slot);
    slot.onDrop = undefined;
    const left = (this.#byOrigin.get(slot.origin) ?? 1) - 1;
    if (left > 0) this.#byOrigin.set(slot.origin, left);
    else this.#byOrigin.delete(slot.origin);
  }

  /**
   * Refuses a client: sends the alert `busy`, and closes the connection after the client had time
   * to read it. Resolves when the connection is gone.
   */
  refuse(transport: Transport): Promise<void> {
    const gone = readAndDrop(transport);
    const timer = startTimer(() => {
      transport.abort();
    }, lingerTime);
    void gone.then(() => {
      timer.stop();
    });
    transport.write([busyUnit()]);
    transport.end();
    this.dismiss(transport, gone);
    return gone;
  }

  /**
   * Limits the connections that got no slot and wait until the client has read why: one too many
   * is cut at once.
   *
   * @param gone - resolves when the connection is gone.
   */
  dismiss(transport: Transport, gone: Promise<unknown>): void {
    if (this.#lingering >= maxLingering) {
      transport.abort();
      return;
    }
    this.#lingering += 1;
    void gone.then(() => {
      this.#lingering -= 1;
    });
  }

  #oldestSilent(origin: string | undefined): HandshakeSlot | undefined {
    for (const slot of this.#silent) if (origin === undefined || slot.origin === origin) return slot;
    return undefined;
  }
}

/**
 * Returns the network that a handshake counts for: an IPv4 address, or the /64 of an IPv6 address,
 * because one host can use every address of its /64. Empty for this machine.
 */
function originOf(address: string): string {
  const [bare = ''] = address.split('%');
  const plain = bare.replace(/^::ffff:(?=\d+\.)/i, '');
  if (plain === '::1' || plain.startsWith('127.')) return '';
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === undefined || tail === '' ? 0 : tail.split(':').length;
  // The double colon stands for all groups that are missing.
  while (groups.length + behind < 8) groups.push('0');
  if (tail !== undefined) groups.push(...tail.split(':'));
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(':')}::/64`;
}
