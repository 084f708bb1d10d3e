import { describe, expect, it } from 'vitest';
import { freeBuffer } from '../../lib/platform/runtime.js';

describe('release', () => {
  it('takes a buffer from everybody who has a view of it', () => {
    const bytes = new Uint8Array(65_536);
    const view = bytes.subarray(10, 20);
    freeBuffer(bytes.buffer);
    expect([bytes.length, view.length, bytes.buffer.byteLength]).toEqual([0, 0, 0]);
  });
});
