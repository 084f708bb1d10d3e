import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ItemQueue } from '../../../lib/queue/streams/item-queue.js';
import { turns } from '../../support/recorder.js';

type Step = { readonly push: number } | 'shift' | 'turn' | 'clear';

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ push: fc.constantFrom(0, 1, 64, 255, 300, 2047, 2048, 2049, 9000) }) },
  { weight: 4, arbitrary: fc.constant<Step>('shift') },
  { weight: 2, arbitrary: fc.constant<Step>('turn') },
  { weight: 1, arbitrary: fc.constant<Step>('clear') },
);

it('items come out whole and in order, whichever turns pass between them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const queue = new ItemQueue();
      const model: Uint8Array[] = [];
      let made = 0;
      for (const each of steps) {
        if (each === 'turn') {
          await turns(1);
        } else if (each === 'shift') {
          expect(queue.shift()).toEqual(model.shift());
        } else if (each === 'clear') {
          queue.clear();
          model.length = 0;
        } else {
          // A part of a larger buffer, as messages are.
          const item = new Uint8Array(100_000).fill((made += 1), 8, 8 + each.push);
          model.push(item.slice(8, 8 + each.push));
          queue.push(item.subarray(8, 8 + each.push));
        }
        expect(queue.isEmpty).toBe(model.length === 0);
      }
      for (const item of model) expect(queue.shift()).toEqual(item);
      expect(queue.shift()).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});

it('an item that waits until the next turn keeps no larger buffer', async () => {
  const queue = new ItemQueue();
  for (const size of [1, 2048, 2049, 60_000]) queue.push(new Uint8Array(1_000_000).subarray(0, size));
  await turns(2);
  for (const size of [1, 2048, 2049, 60_000]) {
    const item = queue.shift();
    expect(item?.length).toBe(size);
    expect(item?.buffer.byteLength).toBeLessThanOrEqual(Math.max(size, 16 * 1024));
  }
});

it('a large item with a buffer of its own is not copied', async () => {
  const queue = new ItemQueue();
  const item = new Uint8Array(60_000);
  queue.push(item);
  await turns(2);
  expect(queue.shift()).toBe(item);
});
