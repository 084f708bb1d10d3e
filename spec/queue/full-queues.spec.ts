import { describe, expect, it } from 'vitest';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import { useFixture } from '../support/fixture.js';
import { arrived, textOf, until } from '../support/sockets.js';

const fixture = useFixture();
/** One message fills a queue, and a wait for ever is found by the limit of the test. */
const tight: QueueSocketOptions = { maxQueuedBytes: 1, unmatched: 'error', callTimeout: Infinity };

describe('a request callback that waits for an answer behind a full queue', () => {
  it('does not deadlock with manual dispatch: recvRegistered runs the callbacks of messages that fill the queue', async () => {
    const { near, far } = await fixture.startedQueuePair({
      near: { ...tight, dispatch: 'manual' },
      far: tight,
    });
    const performed: string[] = [];
    near.registerCallback('event', () => void performed.push('event'));
    near.registerCallback('ask', async () => {
      performed.push('ask');
      return (await near.call('question')).read();
    });
    far.registerCallback('question', async () => {
      // Both go out before the answer, and the second one has no room.
      await Promise.all([far.sendRegistered('event'), far.sendRegistered('event')]);
      return 'answer';
    });

    const asking = far.call('ask');
    let count = 0;
    while (count === 0) count = await near.recvRegistered();
    expect(textOf((await asking).read())).toBe('answer');
    while (count < 3) count += await near.recvRegistered();
    expect({ performed, count }).toEqual({ performed: ['ask', 'event', 'event'], count: 3 });
  });

  it('does not deadlock with manual dispatch when the queue was full before its call', async () => {
    const { near, far, nearSocket } = await fixture.startedQueuePair({
      near: { ...tight, dispatch: 'manual' },
      far: tight,
    });
    let goOn = (): void => undefined;
    const full = new Promise<void>((resolve) => (goOn = resolve));
    let events = 0;
    near.registerCallback('event', () => void (events += 1));
    near.registerCallback('ask', async () => {
      await full;
      return (await near.call('question')).read();
    });
    far.registerCallback('question', () => 'answer');

    const asking = far.call('ask');
    await until(() => near.stats().requestsInFlight === 1);
    const performing = near.recvRegistered();
    await Promise.all([far.sendRegistered('event'), far.sendRegistered('event')]);
    await arrived(nearSocket, far.stats().bytesSent);
    expect(events).toBe(0);
    goOn();
    expect(textOf((await asking).read())).toBe('answer');
    let count = await performing;
    while (count < 3) count += await near.recvRegistered();
    expect(events).toBe(2);
  });

  it('gets the answer although requests of several unknown names arrived before it', async () => {
    const { near, far } = await fixture.startedQueuePair({
      near: { ...tight, requestConcurrency: 1 },
      far: tight,
    });
    near.registerCallback('ask', async () => (await near.call('question')).read());
    const refused: Promise<unknown>[] = [];
    far.registerCallback('question', () => {
      // Each name has a window of its own here, and all share one queue there.
      for (const name of ['one', 'two', 'three']) {
        refused.push(far.call(name).catch((error: unknown) => error));
      }
      return 'answer';
    });

    expect(textOf((await far.call('ask')).read())).toBe('answer');
    for (const error of await Promise.all(refused)) {
      expect(error).toMatchObject({ remoteCode: 'K4NET_NO_CALLBACK' });
    }
  });
});
