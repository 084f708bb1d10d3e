import { describe, expect, it } from 'vitest';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import {
  pooledSize,
  returnBuffer,
  forgetBuffers,
  smallestBuffer,
  takeBuffer,
} from '../../lib/sockets/buffer-pool.js';
import { memoryPair } from '../../lib/transport/memory.js';

describe('the buffer pool', () => {
  it('never returns a buffer shorter than wanted', () => {
    for (const wanted of [1, smallestBuffer, pooledSize - 1, pooledSize, pooledSize + 1, 1_048_576]) {
      const buffer = takeBuffer(wanted);
      expect(buffer.length).toBeGreaterThanOrEqual(wanted);
      returnBuffer(buffer);
    }
  });

  it('gives out 8 full buffers, each to one user, and then buffers of the wanted length', () => {
    const taken = Array.from({ length: 20 }, () => takeBuffer(smallestBuffer));
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(20);
    const full = taken.filter(({ length }) => length === pooledSize);
    expect(full.length).toBe(8);
    expect(taken.slice(full.length).every(({ length }) => length === smallestBuffer)).toBe(true);
    for (const buffer of taken) returnBuffer(buffer);
    const again = Array.from({ length: 8 }, () => takeBuffer(smallestBuffer));
    expect(new Set(again)).toEqual(new Set(full));
    for (const buffer of again) returnBuffer(buffer);
  });

  it('keeps at most 8 buffers, and none of another length', () => {
    const full = Array.from({ length: 12 }, () => takeBuffer(pooledSize));
    for (const buffer of [new Uint8Array(smallestBuffer), new Uint8Array(2 * pooledSize), ...full])
      returnBuffer(buffer);
    const taken = Array.from({ length: 9 }, () => takeBuffer(1));
    expect(taken.map(({ length }) => length)).toEqual([...Array<number>(8).fill(pooledSize), 1]);
    for (const buffer of taken) returnBuffer(buffer);
  });

  it('replaces buffers that were forgotten', () => {
    const lost = Array.from({ length: 8 }, () => takeBuffer(1));
    expect(takeBuffer(1).length).toBe(1);
    forgetBuffers(lost.length);
    const made = takeBuffer(1);
    expect(made.length).toBe(pooledSize);
    expect(lost).not.toContain(made);
    returnBuffer(made);
  });

  it('gets every buffer back or forgets it, however a socket ends', async () => {
    for (let i = 0; i < 20; i += 1) {
      const [near, far] = memoryPair().map((end) => new LockedSocket(end)) as [LockedSocket, LockedSocket];
      for (let sent = 0; sent < 300; sent += 1) void near.send(new Uint8Array(1000));
      if (i % 2 === 0) await near.close(undefined, { timeout: 0 });
      else await Promise.all([near.close(), far.close()]);
      await far.close(undefined, { timeout: 0 });
    }
    const taken = Array.from({ length: 9 }, () => takeBuffer(1));
    expect(taken.map(({ length }) => length)).toEqual([...Array<number>(8).fill(pooledSize), 1]);
    for (const buffer of taken) returnBuffer(buffer);
  });
});
