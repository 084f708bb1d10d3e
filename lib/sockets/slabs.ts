import type { Bytes } from '../bytes.js';
import { allocate } from '../runtime.js';

/** Length of the slabs that are worth keeping. */
export const fullSlab: number = 64 * 1024;
/** How many stay for whoever sends next: 512 KiB for the whole program, however many sockets it has. */
const mostSpare = 8;

const spare: Bytes[] = [];

/** A buffer with arbitrary content. A full slab was written lately if there is one: its memory is still warm. */
export function takeSlab(length: number): Bytes {
  return (length === fullSlab ? spare.pop() : undefined) ?? allocate(length);
}

/** Gives a slab back that nobody reads or writes any more. */
export function giveSlab(slab: Bytes): void {
  if (slab.length === fullSlab && spare.length < mostSpare) spare.push(slab);
}
