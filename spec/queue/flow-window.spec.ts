import { describe, expect, it } from 'vitest';
import { FlowWindow } from '../../lib/queue/flow-window.js';

describe('a flow window', () => {
  it('counts messages and their bytes, plus 64 for each message', () => {
    const window = new FlowWindow(1000, 10);
    window.reserve(0);
    window.reserve(100);
    expect([window.messages, window.bytes]).toEqual([2, 228]);
    window.release(0);
    expect([window.messages, window.bytes]).toEqual([1, 164]);
    window.release(100);
    expect([window.messages, window.bytes]).toEqual([0, 0]);
  });

  it('is full at its limit of bytes', () => {
    const window = new FlowWindow(200, 10);
    window.reserve(71);
    expect(window.fits(1)).toBe(true);
    expect(window.fits(2)).toBe(false);
    expect(window.full).toBe(false);
    window.reserve(1);
    expect(window.full).toBe(true);
  });

  it('is full at its limit of messages, even if they are empty', () => {
    const window = new FlowWindow(1e6, 3);
    for (let i = 0; i < 3; i += 1) {
      expect(window.full).toBe(false);
      expect(window.fits(0)).toBe(true);
      window.reserve(0);
    }
    expect(window.full).toBe(true);
    expect(window.fits(0)).toBe(false);
  });

  it('has room for one message of any size, and for no other beside it', () => {
    const window = new FlowWindow(100, 10);
    expect(window.fits(1e9)).toBe(true);
    window.reserve(1e9);
    expect(window.full).toBe(true);
    expect(window.fits(0)).toBe(false);
    window.release(1e9);
    expect(window.full).toBe(false);
  });
});
