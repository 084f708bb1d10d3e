import type { Bytes } from '../util/bytes.js';
import { allocateUnsafe } from '../platform/runtime.js';

/** The length of a pooled buffer. */
export const pooledSize: number = 64 * 1024;
/** The length of the smallest buffer. */
export const smallestBuffer: number = 1024;
/** Pooled buffers of the whole process: half a MiB, however many sockets there are. */
const maxPooled = 8;

/** The buffer pool: free buffers for the frames of all sockets. */
const pool: Bytes[] = [];
/** Pooled buffers that are in use. */
let inUse = 0;

/**
 * A buffer of the wanted length or more, with arbitrary content: a pooled one while there are some.
 * The buffer that was returned last comes first, because its memory is still in the cache.
 */
export function takeBuffer(wanted: number): Bytes {
  if (wanted > pooledSize) return allocateUnsafe(wanted);
  const buffer = pool.pop() ?? allocateUnsafe(inUse < maxPooled ? pooledSize : wanted);
  if (buffer.length === pooledSize) inUse += 1;
  return buffer;
}

/** Returns a buffer that is not in use any more. */
export function returnBuffer(buffer: Bytes): void {
  if (buffer.length !== pooledSize) return;
  inUse -= 1;
  if (pool.length < maxPooled) pool.push(buffer);
}

/** Gives up pooled buffers: a destroyed stream may never report that it is done with them. */
export function forgetBuffers(count: number): void {
  inUse -= count;
}
