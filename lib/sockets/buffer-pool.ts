import type { Bytes } from '../util/bytes.js';
import { allocate } from '../platform/runtime.js';

/** The length of a slab where there is no reason to save. */
export const fullSlab: number = 64 * 1024;
/** The least that is worth a buffer of its own. */
export const smallestSlab: number = 1024;
/** How many full ones there are for whoever sends next: half a MiB for the whole program, however many sockets it has. */
const most = 8;

const spares: Bytes[] = [];
/** Full ones that somebody has. */
let lent = 0;

/**
 * A buffer with arbitrary content, of the wanted length or more: a full one while there are some. One that was written
 * lately comes first: its memory is still warm.
 */
export function takeSlab(wanted: number): Bytes {
  if (wanted > fullSlab) return allocate(wanted);
  const slab = spares.pop() ?? allocate(lent < most ? fullSlab : wanted);
  if (isFull(slab)) lent += 1;
  return slab;
}

/** Gives a slab back that nobody reads or writes any more. */
export function giveSlab(slab: Bytes): void {
  if (!isFull(slab)) return;
  lent -= 1;
  if (spares.length < most) spares.push(slab);
}

/** So many full ones do not come back: the stream that has them may never say that it is done. */
export function loseSlabs(count: number): void {
  lent -= count;
}

/** Whether it is one of those that are used again. */
export function isFull(slab: Bytes): boolean {
  return slab.length === fullSlab;
}
