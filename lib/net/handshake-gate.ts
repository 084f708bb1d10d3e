import { busyUnit } from '../session/handshake/machine.js';
import type { HandshakeHooks } from '../sockets/session-plan.js';
import type { DuplexLike } from '../transport/duplex.js';
import { startTimer } from '../util/wait.js';
import { DecryptQueue } from './decrypt-queue.js';

/** How long one that is turned away may take to read why, in milliseconds, and how many may at a time. */
const lingerTime = 1_000;
const maxLingering = 256;

/** The place of one handshake among those under way. */
export class HandshakePlace implements HandshakeHooks {
  /** What the handshake is counted under; empty for this machine. */
  readonly origin: string;
  /** Ends the connection when its place goes to a newer one. */
  onDrop: (() => void) | undefined;
  readonly #gate: HandshakeGate;

  constructor(gate: HandshakeGate, origin: string) {
    this.#gate = gate;
    this.origin = origin;
  }

  /** From now on a newer connection cannot take this place. */
  onHello(): void {
    this.#gate.keep(this);
  }

  scheduleDecryption<T>(job: () => Promise<T>): Promise<T> {
    return this.#gate.turns.run(this.origin, job);
  }

  /** The handshake is over. Only the first call counts. */
  leave(): void {
    this.#gate.leave(this);
  }
}

/** Limits the handshakes under way, in all and by origin, and the RSA decryptions among them. */
export class HandshakeGate {
  readonly turns: DecryptQueue = new DecryptQueue();
  readonly #max: number;
  readonly #maxPerOrigin: number;
  readonly #places = new Set<HandshakePlace>();
  /** Those whose client has not sent a hello, the oldest first. */
  readonly #silent = new Set<HandshakePlace>();
  readonly #byOrigin = new Map<string, number>();
  #lingering = 0;

  constructor(max: number, maxPerOrigin: number) {
    this.#max = max;
    this.#maxPerOrigin = maxPerOrigin;
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#places.size;
  }

  /**
   * Gives a place to a new handshake. When all are taken, the oldest whose client has not sent a hello gives up its own;
   * when the origin has as many as it may, the oldest such of the same origin. Undefined if there is none.
   *
   * @param address - of the remote host; empty for a carrier without addresses.
   * @param crowded - there is no room for one more, whatever the limits here say.
   */
  enter(address: string, crowded: boolean = false): HandshakePlace | undefined {
    const origin = originOf(address);
    // Behind a proxy on this machine everyone has its address, and a local user has other ways to do harm.
    const full = origin !== '' && (this.#byOrigin.get(origin) ?? 0) >= this.#maxPerOrigin;
    if (full || crowded || this.#places.size >= this.#max) {
      const oldest = this.#oldestSilent(full ? origin : undefined);
      if (!oldest) return undefined;
      const { onDrop } = oldest;
      oldest.leave();
      onDrop?.();
    }
    const place = new HandshakePlace(this, origin);
    this.#places.add(place);
    this.#silent.add(place);
    this.#byOrigin.set(origin, (this.#byOrigin.get(origin) ?? 0) + 1);
    return place;
  }

  keep(place: HandshakePlace): void {
    this.#silent.delete(place);
  }

  leave(place: HandshakePlace): void {
    if (!this.#places.delete(place)) return;
    this.#silent.delete(place);
    place.onDrop = undefined;
    const left = (this.#byOrigin.get(place.origin) ?? 1) - 1;
    if (left > 0) this.#byOrigin.set(place.origin, left);
    else this.#byOrigin.delete(place.origin);
  }

  /** Tells a client that there is no room, and lets it read that before the connection goes. */
  turnAway(stream: DuplexLike): void {
    this.dismiss(stream, () => {
      const timer = startTimer(() => {
        stream.destroy();
      }, lingerTime);
      stream.on('close', () => {
        timer.stop();
      });
      // Unread bytes would make the close a reset, and a reset overtakes what was said.
      stream.on('data', () => undefined);
      stream.resume();
      stream.write(busyUnit(), () => undefined);
      stream.end();
    });
  }

  /**
   * Ends a connection for which there is no room.
   *
   * @param tell - tells the client, and ends the connection when the client has had time to read that. Where too many
   * are doing so, the connection is ended at once.
   */
  dismiss(stream: DuplexLike, tell: () => void): void {
    tell();
    if (this.#lingering >= maxLingering) {
      stream.destroy();
      return;
    }
    this.#lingering += 1;
    stream.on('close', () => {
      this.#lingering -= 1;
    });
  }

  #oldestSilent(origin: string | undefined): HandshakePlace | undefined {
    for (const place of this.#silent) if (origin === undefined || place.origin === origin) return place;
    return undefined;
  }
}

/**
 * What handshakes are counted under: an IPv4 address, or the /64 of an IPv6 address, because a single host can use every
 * address of its /64. Empty for this machine.
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
