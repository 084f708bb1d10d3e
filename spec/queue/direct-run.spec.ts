// The short path: a callback that runs on arrival, without an entry in a queue.
import PQueue from 'p-queue';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deferred } from '../../lib/util/wait.js';
import { encodeCancel } from '../../lib/queue/envelope.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { ErrorLog, decodeControl, encodeRequest, registered } from '../support/queue.js';
import { textOf, until } from '../support/sockets.js';

const none = new Uint8Array(0);

describe('a callback whose message arrives while no other message waits', () => {
  const fixture = useFixture();

  afterEach(async () => {
    vi.restoreAllMocks();
    await fixture.release();
  });

  it('runs without p-queue for messages and requests, synchronous or not', async () => {
    const add = vi.spyOn(PQueue.prototype, 'add');
    const { near, far } = await fixture.startedQueuePair();
    const seen: string[] = [];
    far.registerCallback('message', (reader) => void seen.push(textOf(reader.read())));
    far.registerCallback('sync', (reader) => reader.read());
    far.registerCallback('async', async (reader) => {
      await turns();
      return reader.read();
    });
    for (let i = 0; i < 50; i += 1) {
      void near.sendRegistered('message', `${i}`);
      expect(textOf((await near.call('sync', `s${i}`)).read())).toBe(`s${i}`);
      expect(textOf((await near.call('async', `a${i}`)).read())).toBe(`a${i}`);
    }
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
    expect(add).not.toHaveBeenCalled();
    expect(far.stats()).toMatchObject({ callbacksRun: 150, requestsInFlight: 0, requestQueue: { bytes: 0 } });
  });

  it('keeps later messages waiting while it is asynchronous, in order', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const gate = new Deferred<void>();
    const seen: string[] = [];
    queue.registerCallback('slow', async () => {
      await gate.promise;
      seen.push('slow');
    });
    queue.registerCallback('quick', (reader) => void seen.push(textOf(reader.read())));
    queue.start();
    await peer.send(registered('quick', '1'));
    await peer.send(registered('slow'));
    await peer.send(registered('quick', '2'));
    await peer.send(registered('quick', '3'));
    await until(() => queue.stats().callbackQueue.messages === 2);
    expect(seen).toEqual(['1']);
    gate.resolve();
    await until(() => seen.length === 4);
    expect(seen).toEqual(['1', 'slow', '2', '3']);
  });

  it('counts its own request as in flight while it runs', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const seen: unknown[] = [];
    far.registerCallback('x', () => {
      const { requestsInFlight, requestQueue } = far.stats();
      seen.push([requestsInFlight, requestQueue]);
    });
    await near.call('x', 'abc');
    expect(seen).toEqual([[1, { messages: 1, bytes: 512 + 4 }]]);
  });

  it('can throw, and the callback of the next message still runs', async () => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: { onError: errors.onError } });
    let calls = 0;
    far.registerCallback('x', () => {
      calls += 1;
      throw new Error('no');
    });
    await near.sendRegistered('x');
    await near.sendRegistered('x');
    await until(() => calls === 2);
    expect(errors.kinds).toEqual(['message x', 'message x']);
  });

  it.each(['message', 'request'] as const)(
    'can close the socket in the middle of a chunk of %ss: no further callback runs, and its signal aborts',
    async (kind) => {
      const { queue, peer } = await fixture.queueWithPeer();
      const seen: boolean[] = [];
      queue.registerCallback('x', (_, { signal, socket }) => {
        void socket.close();
        seen.push(signal.aborted);
      });
      queue.start();
      for (let id = 1; id <= 3; id += 1)
        void peer.send(kind === 'message' ? registered('x') : encodeRequest(id, 'x', none));
      await peer.flush();
      await until(() => queue.readyState !== 'open');
      await turns(3);
      expect(seen).toEqual([true]);
      await peer.close();
      await queue.closed;
    },
  );

  it('can remove itself and a running callback with a concurrency of its own', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    let ended = false;
    far.registerCallback(
      'own',
      async () => {
        far.removeCallback('own');
        await gate.promise;
        ended = true;
        return 'done';
      },
      { concurrency: 1 },
    );
    const answer = near.call('own');
    await until(() => far.stats().callbacksRun === 1);
    const drained = far.drain();
    gate.resolve();
    expect(textOf((await answer).read())).toBe('done');
    await drained;
    expect(ended).toBe(true);
  });

  it('can drain the socket, which drops later messages and refuses later requests', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const seen: string[] = [];
    queue.registerCallback('x', (reader, { socket }) => {
      seen.push(textOf(reader.read()));
      void socket.drain();
    });
    queue.start();
    void peer.send(registered('x', 'first'));
    void peer.send(registered('x', 'second'));
    void peer.send(encodeRequest(7, 'x', none));
    expect(decodeControl(await peer.recv())).toMatchObject({ type: 'failure', id: 7, code: 'K4NET_CLOSED' });
    await peer.close();
    await queue.closed;
    expect(seen).toEqual(['first']);
  });

  it('answers a request although its cancel arrives in the same chunk', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    queue.registerCallback('x', () => 'answer');
    queue.start();
    void peer.send(encodeRequest(7, 'x', none));
    void peer.send(encodeCancel(7));
    expect(decodeControl(await peer.recv())).toMatchObject({ type: 'answer', id: 7 });
    expect(queue.stats()).toMatchObject({ requestsInFlight: 0, requestQueue: { messages: 0, bytes: 0 } });
  });

  it('does not run before waiting calls of a higher priority in the same chunk', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const seen: string[] = [];
    queue.registerCallback('low', () => void seen.push('low'));
    queue.registerCallback('high', () => void seen.push('high'), { priority: 1 });
    void peer.send(registered('low'));
    void peer.send(registered('high'));
    await peer.flush();
    queue.start();
    await until(() => seen.length === 2);
    expect(seen).toEqual(['high', 'low']);
  });
});
