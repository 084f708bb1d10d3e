/** Largest number of prepared ciphers in the process. Each cipher takes about 2 KiB. */
export const maxPrepared = 256;
/**
 * Length of a period in milliseconds. A direction that has prepared no cipher for one to two
 * periods can lose its place to another direction.
 */
const periodLength = 1_000;

/** One direction of a connection that may hold one prepared cipher. */
export interface CipherHolder {
  hasPlace: boolean;
  /** The period in which it prepared its last cipher. */
  lastUse: number;
  /** Drops the prepared cipher. */
  discard(): void;
}

const holders = new Set<CipherHolder>();
let period = 0;
let periodStart = -Infinity;

/**
 * Acquires a place for a prepared cipher. Places are limited for the whole process, so that idle
 * connections take no memory. A direction keeps its place from one record to the next.
 *
 * If all places are taken, the call examines one of them, and takes it over unless its holder used
 * it recently. With more active connections than places, dropping one cipher to create another
 * would double the work and save nothing.
 */
export function acquirePlace(holder: CipherHolder, clock: () => number = now): boolean {
  if (!holder.hasPlace) {
    if (holders.size >= maxPrepared && !freePlace(clock())) return false;
    holders.add(holder);
    holder.hasPlace = true;
  }
  holder.lastUse = period;
  return true;
}

/** Releases the place of a holder that has dropped its cipher. */
export function releasePlace(holder: CipherHolder): void {
  holders.delete(holder);
  holder.hasPlace = false;
}

/** Places in use, for tests. @internal */
export function placesInUse(): number {
  return holders.size;
}

function freePlace(time: number): boolean {
  if (time - periodStart >= periodLength) {
    period += 1;
    periodStart = time;
  }
  const [first] = holders;
  if (!first) return true;
  holders.delete(first);
  if (period - first.lastUse < 2) {
    // At the end of the set, so that the next call examines another holder.
    holders.add(first);
    return false;
  }
  first.hasPlace = false;
  first.discard();
  return true;
}

function now(): number {
  return performance.now();
}
