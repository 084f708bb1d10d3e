import PQueue from 'p-queue';
import { K4netError } from '../errors.js';
import { alertName, alertNumber } from '../session/alerts.js';
import { unit } from '../session/handshake.js';
import { encodeClearAlert } from '../session/messages.js';
import type { DecryptQueue } from '../sockets/server-plan.js';
import type { DuplexLike } from '../transport/duplex.js';
import { startTimer } from '../waiting.js';

/** RSA decryptions at a time, and how many more may wait: a flood of handshakes must not starve live sessions. */
const decryptsAtOnce = 2;
const decryptsWaiting = 64;
/** How long one that is turned away may take to read why, in milliseconds, and how many may at a time. */
const lingerTime = 1_000;
const mostLingering = 256;

/** A queue of RSA decryptions for one server, with the limits of "Limits" in docs/protocol.md. */
export function newDecryptQueue(): DecryptQueue {
  const queue = new PQueue({ concurrency: decryptsAtOnce });
  return async (job) => {
    if (queue.size >= decryptsWaiting) {
      throw new K4netError('K4NET_BUSY', 'too many handshakes wait for their turn');
    }
    return queue.add(job);
  };
}

/** Counts the handshakes under way, in all and by address. */
export class HandshakeGate {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #byAddress = new Map<string, number>();
  #pending = 0;
  #lingering = 0;

  constructor(most: number, mostPerAddress: number) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Lets a handshake in, and returns what is to be called when it is over; undefined if there is no room.
   *
   * @param address - of the remote host; empty for a carrier without addresses.
   */
  enter(address: string): (() => void) | undefined {
    const counted = isLocal(address) ? undefined : address;
    const same = counted === undefined ? 0 : (this.#byAddress.get(counted) ?? 0);
    if (this.#pending >= this.#most || same >= this.#mostPerAddress) return undefined;
    this.#pending += 1;
    if (counted !== undefined) this.#byAddress.set(counted, same + 1);
    return () => {
      this.#pending -= 1;
      if (counted === undefined) return;
      const left = (this.#byAddress.get(counted) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(counted, left);
      else this.#byAddress.delete(counted);
    };
  }

  /** Tells a client that there is no room, and lets it read that before the connection goes. */
  turnAway(stream: DuplexLike): void {
    if (this.#lingering >= mostLingering) {
      stream.destroy();
      return;
    }
    this.#lingering += 1;
    const timer = startTimer(() => {
      stream.destroy();
    }, lingerTime);
    stream.on('close', () => {
      timer.stop();
      this.#lingering -= 1;
    });
    // Unread bytes would make the close a reset, and a reset overtakes what was said.
    stream.on('data', () => undefined);
    stream.resume();
    stream.write(unit(encodeClearAlert(alertNumber.busy, alertName(alertNumber.busy))), () => undefined);
    stream.end();
  }
}

/** Behind a proxy on this machine everyone has its address, and whoever is here has other ways to be a nuisance. */
function isLocal(address: string): boolean {
  return address === '' || address === '::1' || /^(::ffff:)?127\./.test(address);
}
