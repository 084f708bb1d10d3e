import { describe, expect, it } from 'vitest';
import { headerLength, longestMessage, writeHeader } from '../../../lib/transport/framing/encoder.js';

describe('the header of a message', () => {
  it('is four bytes, little-endian, unsigned', () => {
    expect(headerLength).toBe(4);
    const bytes = new Uint8Array(8).fill(0xaa);
    writeHeader(bytes, 2, 0x01020304);
    expect([...bytes]).toEqual([0xaa, 0xaa, 4, 3, 2, 1, 0xaa, 0xaa]);
  });

  it('holds 0 and the longest message', () => {
    const bytes = new Uint8Array(4).fill(0xaa);
    writeHeader(bytes, 0, 0);
    expect([...bytes]).toEqual([0, 0, 0, 0]);
    writeHeader(bytes, 0, longestMessage);
    expect([...bytes]).toEqual([255, 255, 255, 255]);
  });

  it('is that of the seed for a length with a high byte, which a signed reader would take for negative', () => {
    const bytes = new Uint8Array(4);
    writeHeader(bytes, 0, 0x8000_0001);
    expect([...bytes]).toEqual([1, 0, 0, 0x80]);
  });
});
