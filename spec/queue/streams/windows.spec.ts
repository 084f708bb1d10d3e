import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReceiveWindow, SendWindow } from '../../../lib/queue/streams/windows.js';

const cost = (size: number): number => size + 64;

describe('the window of a sender', () => {
  it('has no credit before the first grant, which is the window', () => {
    const window = new SendWindow();
    expect([window.begun, window.open, window.fits(0)]).toEqual([false, false, false]);
    expect(window.grant(1024)).toBe(true);
    expect([window.begun, window.open, window.largest]).toEqual([true, true, 512]);
    expect([window.fits(1024 - 64), window.fits(1024 - 63)]).toEqual([true, false]);
  });

  it('refuses credit that exceeds the window, and empty credit', () => {
    const window = new SendWindow(1024);
    expect([window.grant(1), window.grant(0)]).toEqual([false, false]);
    window.spend(100);
    expect(window.grant(165)).toBe(false);
    expect(window.grant(164)).toBe(true);
    expect(new SendWindow().grant(0)).toBe(false);
  });
});

describe('the window of a receiver', () => {
  it('accepts items within its credit only, and counts 64 bytes for an empty one', () => {
    const window = new ReceiveWindow(1024, true);
    for (let n = 0; n < 16; n += 1) expect(window.receive(0)).toBe(true);
    expect(window.receive(0)).toBe(false);
  });

  it('accepts nothing before it has granted anything', () => {
    const window = new ReceiveWindow(1024, false);
    expect([window.begun, window.receive(0), window.due]).toEqual([false, false, true]);
    expect([window.grant(), window.begun, window.receive(0)]).toEqual([1024, true, true]);
  });
});

const plan = fc.record({
  window: fc.integer({ min: 1024, max: 5000 }),
  sizes: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 200 }),
  takes: fc.infiniteStream(fc.boolean()),
});

it('a sender and a receiver never exceed the window, and never wait for each other', () => {
  fc.assert(
    fc.property(plan, ({ window, sizes, takes }) => {
      const sender = new SendWindow(window);
      const receiver = new ReceiveWindow(window, true);
      const queue: number[] = [];
      const take = (): boolean => {
        const size = queue.shift();
        if (size === undefined) return false;
        receiver.take(size);
        if (receiver.due) expect(sender.grant(receiver.grant())).toBe(true);
        return true;
      };
      for (const share of sizes) {
        const size = Math.floor(share * sender.largest);
        // A sender without credit waits until the consumer takes items: there always are some.
        while (!sender.fits(size)) expect(take()).toBe(true);
        sender.spend(size);
        expect(receiver.receive(size)).toBe(true);
        queue.push(size);
        expect(queue.reduce((total, each) => total + cost(each), 0)).toBeLessThanOrEqual(window);
        if (takes.next().value === true) take();
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});
