/** Ciphers that the process keeps prepared at a time, both directions counted. Each takes about 2 KiB. */
export const maxPrepared = 256;
/** A prepared cipher gives way to that of another direction once it is unused for this time, in milliseconds. */
const minAge = 1_000;

/** One direction of a connection that may hold one prepared cipher. */
export interface CipherHolder {
  /** Drops the prepared cipher. */
  discard(): void;
}

/** The directions with a prepared cipher, least recently prepared first, with the time of the preparation. */
const holders = new Map<CipherHolder, number>();

/**
 * Asks for the place of a prepared cipher: a limit for the whole process, so that idle connections take no memory.
 *
 * If all places are taken, the least recently used cipher is dropped, unless even that one is in recent use. With more
 * active connections than places, dropping one cipher to create another would double the work and save nothing.
 */
export function acquirePlace(holder: CipherHolder, now: number = performance.now()): boolean {
  if (holders.size >= maxPrepared) {
    const [oldest] = holders;
    if (!oldest || now - oldest[1] < minAge) return false;
    holders.delete(oldest[0]);
    oldest[0].discard();
  }
  holders.set(holder, now);
  return true;
}

/** The prepared cipher is in use or dropped. */
export function releasePlace(holder: CipherHolder): void {
  holders.delete(holder);
}

/** Places in use, for tests. @internal */
export function placesInUse(): number {
  return holders.size;
}
