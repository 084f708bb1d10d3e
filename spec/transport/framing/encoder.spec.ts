import { describe, expect, it } from 'vitest';
import { headerLength, longestMessage } from '../../../lib/transport/framing/encoder.js';
import { readU32, writeU32 } from '../../../lib/util/bytes.js';

describe('the length prefix of a message', () => {
  it('is four bytes, little-endian, unsigned', () => {
    expect(headerLength).toBe(4);
    const bytes = new Uint8Array(8).fill(0xaa);
    writeU32(bytes, 2, 0x01020304);
    expect([...bytes]).toEqual([0xaa, 0xaa, 4, 3, 2, 1, 0xaa, 0xaa]);
  });

  it.each([
    { length: 0, bytes: [0, 0, 0, 0] },
    { length: 0x8000_0001, bytes: [1, 0, 0, 0x80] },
    { length: longestMessage, bytes: [255, 255, 255, 255] },
  ])('of $length bytes reads back as the same length, without a sign', ({ length, bytes }) => {
    const prefix = new Uint8Array(4).fill(0xaa);
    writeU32(prefix, 0, length);
    expect([...prefix]).toEqual(bytes);
    expect(readU32(prefix, 0)).toBe(length);
  });
});
