import type { Bytes } from '../bytes.js';
import { allocate } from '../runtime.js';

/** The lengths that are worth keeping. */
export const smallestSlab: number = 1024;
export const fullSlab: number = 64 * 1024;
/** How many of each stay for whoever sends next: about half a MiB for the whole program, however many sockets it has. */
const mostSpare = 8;

const spareSmall: Bytes[] = [];
const spareFull: Bytes[] = [];

function sparesOf(length: number): Bytes[] | undefined {
  if (length === smallestSlab) return spareSmall;
  return length === fullSlab ? spareFull : undefined;
}

/** A buffer with arbitrary content. One that was written lately comes first: its memory is still warm. */
export function takeSlab(length: number): Bytes {
  return sparesOf(length)?.pop() ?? allocate(length);
}

/** Gives a slab back that nobody reads or writes any more. */
export function giveSlab(slab: Bytes): void {
  const spares = sparesOf(slab.length);
  if (spares && spares.length < mostSpare) spares.push(slab);
}
