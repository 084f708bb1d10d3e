import { describe, expect, it } from 'vitest';
import { encodeRegistered } from '../../lib/queue/envelope.js';
import { useFixture } from '../support/fixture.js';

const fixture = useFixture();

describe('a callback that removes another callback with a concurrency of its own', () => {
  it.each(['auto', 'manual'] as const)(
    'does not keep a third callback from its messages (%s)',
    async (dispatch) => {
      const { queue, peer } = await fixture.queueWithPeer({ dispatch, unmatched: 'error' });
      const own = { concurrency: 1 };
      queue.registerCallback('first', () => undefined, own);
      queue.registerCallback(
        'second',
        () => {
          queue.removeCallback('first');
        },
        own,
      );
      const third = new Promise((resolve) => {
        queue.registerCallback('third', resolve, own);
      });
      // Both come in one chunk, so that they begin in one go.
      void peer.send(encodeRegistered('second', new Uint8Array(0)));
      void peer.send(encodeRegistered('third', new Uint8Array(0)));
      queue.start();
      while (dispatch === 'manual' && (await queue.recvRegistered()) === 0);
      await third;
      expect(queue.stats()).toMatchObject({ callbacksRun: 2, callbackQueue: { messages: 0 } });
    },
  );
});
