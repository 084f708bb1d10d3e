import type { Bytes } from '../util/bytes.js';
import { allocateUnsafe } from '../platform/runtime.js';

/** The length of a pooled buffer. */
export const pooledSize: number = 64 * 1024;
/** The length of the smallest buffer. */
export const smallestBuffer: number = 1024;
/** Largest number of pooled buffers in the process: 512 KiB for any number of sockets. */
const maxPooled = 8;

/** The buffer pool: free buffers for the frames of all sockets. */
const pool: Bytes[] = [];
/** Pooled buffers that are in use. */
let inUse = 0;

/**
 * A buffer of at least the wanted length, with arbitrary content. It is from the pool while the
 * pool has buffers. The buffer that was returned last is used first, because its memory is still in
 * the cache.
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

/** Stops counting pooled buffers that a destroyed stream may never return. */
export function forgetBuffers(count: number): void {
  inUse -= count;
}
