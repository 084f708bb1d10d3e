import type { Bytes } from '../util/bytes.js';
import { allocateUnsafe } from '../platform/runtime.js';

/** The length of a slab where there is no reason to save. */
export const pooledSize: number = 64 * 1024;
/** The least that is worth a buffer of its own. */
export const smallestBuffer: number = 1024;
/** How many full ones there are for whoever sends next: half a MiB for the whole program, however many sockets it has. */
const maxPooled = 8;

const pool: Bytes[] = [];
/** Full ones that somebody has. */
let inUse = 0;

/**
 * A buffer with arbitrary content, of the wanted length or more: a full one while there are some. One that was written
 * lately comes first: its memory is still warm.
 */
export function takeBuffer(wanted: number): Bytes {
  if (wanted > pooledSize) return allocateUnsafe(wanted);
  const slab = pool.pop() ?? allocateUnsafe(inUse < maxPooled ? pooledSize : wanted);
  if (isPooled(slab)) inUse += 1;
  return slab;
}

/** Gives a slab back that nobody reads or writes any more. */
export function returnBuffer(slab: Bytes): void {
  if (!isPooled(slab)) return;
  inUse -= 1;
  if (pool.length < maxPooled) pool.push(slab);
}

/** So many full ones do not come back: the stream that has them may never say that it is done. */
export function forgetBuffers(count: number): void {
  inUse -= count;
}

/** Whether it is one of those that are used again. */
export function isPooled(slab: Bytes): boolean {
  return slab.length === pooledSize;
}
