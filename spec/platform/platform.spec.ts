import { afterEach, describe, expect, it, vi } from 'vitest';
import * as node from '../../lib/platform/node.js';
import * as web from '../../lib/platform/web.js';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the two forms of #platform', () => {
  it('have the same exports', () => {
    expect(Object.keys(web).sort()).toEqual(Object.keys(node).sort());
  });

  it.each([node, web])('run tasks of later turns in order, after settled promises', async (platform) => {
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      platform.nextTurn(() => order.push('first'));
      platform.nextTurn(() => {
        order.push('second');
        resolve();
      });
    });
    await Promise.resolve();
    order.push('promise');
    await done;
    expect(order).toEqual(['promise', 'first', 'second']);
  });
});

describe('the form of #platform for Node', () => {
  it('frees a buffer: every view of it becomes empty', () => {
    const bytes = new Uint8Array(65_536);
    const view = bytes.subarray(10, 20);
    node.freeBuffer(bytes.buffer);
    expect([bytes.length, view.length, bytes.buffer.byteLength]).toEqual([0, 0, 0]);
  });
});

describe('the form of #platform for browsers', () => {
  it('has no module of Node and no environment, even where the runtime has them', () => {
    expect([web.findBuiltin('node:fs'), web.environment('PATH'), web.userId()]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('prints a warning with its code to the console', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    web.emitWarning('the text', 'K4NET_CODE');
    expect(warn).toHaveBeenCalledExactlyOnceWith('(K4NET_CODE) the text');
  });
});
