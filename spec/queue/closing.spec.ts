import { describe, expect, it } from 'vitest';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { K4netError } from '../../lib/errors.js';
import { encodeCancel } from '../../lib/queue/envelope.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import { Deferred, type AbortSignalLike } from '../../lib/util/wait.js';
import { pattern } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { socketKinds, type QueuePair, useFixture } from '../support/fixture.js';
import { ErrorLog, decodeControl, encodeRequest, hex, registered } from '../support/queue.js';
import { failure, reasonOf, textOf, until, watch } from '../support/sockets.js';

const none = new Uint8Array(0);

/** Waits for the abort of a signal that has not aborted yet. */
function aborted(signal: AbortSignalLike): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', resolve);
  });
}

describe.each(socketKinds)('QueueSocket, %s: close', (carrier) => {
  const fixture = useFixture(carrier);

  it('settles all pending promises, aborts the signals of running callbacks, and drops waiting ones', async () => {
    const { near, far } = await fixture.queuePair({ far: { requestConcurrency: 1 } });
    const signals: AbortSignalLike[] = [];
    const wait = async (_: unknown, { signal }: { signal: AbortSignalLike }): Promise<string> => {
      signals.push(signal);
      if (!signal.aborted)
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
      return 'too late';
    };
    far.registerCallback('message', wait);
    far.registerCallback('request', wait);
    near.start();
    far.start();
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 3; i += 1) {
      void near.sendRegistered('message');
      calls.push(near.call('request'));
    }
    void near.send('unread');
    await until(() => signals.length === 2 && far.stats().receiveQueue.messages === 1);
    const waiting = [far.call('x'), far.call('y', '', { timeout: Infinity }), ...calls];
    const closing = far.close('goodbye');
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    for (const { reason } of signals) expect(reason).toMatchObject({ code: 'K4NET_CLOSED' });
    await failure(far.recv(), 'K4NET_CLOSED');
    await failure(far.send('x'), 'K4NET_CLOSED');
    await failure(far.sendRegistered('x'), 'K4NET_CLOSED');
    await failure(far.call('x'), 'K4NET_CLOSED');
    expect(await far.recvRegistered()).toBe(2);
    await failure(far.recvRegistered(), 'K4NET_CLOSED');
    expect(textOf(await near.recv())).toBe('goodbye');
    await failure(near.recv(), 'K4NET_CLOSED');
    for (const each of waiting) await failure(each, 'K4NET_CLOSED');
    await closing;
    await turns(3);
    expect(signals.length).toBe(2);
    expect(far.stats()).toMatchObject({
      callsInFlight: 0,
      requestsInFlight: 0,
      receiveQueue: { messages: 0, bytes: 0 },
      callbackQueue: { messages: 0, bytes: 0 },
      requestQueue: { messages: 0, bytes: 0 },
    });
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(far.readyState).toBe('closed');
  });

  it('rejects a pending recv', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const waiting = [far.recv(), far.recv({ timeout: 60_000 })].map(watch);
    await turns(2);
    await Promise.all([far.close(), near.close()]);
    for (const each of waiting) expect(each.reason).toMatchObject({ code: 'K4NET_CLOSED' });
  });

  it('sends earlier messages first and the closing message last', async () => {
    const { near, far } = await fixture.startedQueuePair();
    for (let i = 0; i < 30; i += 1) void near.send(pattern(20_000, i));
    void near.close('last');
    for (let i = 0; i < 30; i += 1) expect((await far.recv()).length).toBe(20_000);
    expect(textOf(await far.recv())).toBe('last');
    await failure(far.recv(), 'K4NET_CLOSED');
  });

  it('works before start, repeatedly, and with await using', async () => {
    const { near, far } = await fixture.queuePair();
    far.start();
    const closing = near.close('never started');
    expect(textOf(await far.recv())).toBe('never started');
    await Promise.all([closing, near.close(), near[Symbol.asyncDispose]()]);
    await near.close('ignored');
    near.start();
    await failure(near.recv(), 'K4NET_CLOSED');
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('cuts the connection after its timeout when the peer does not end', async () => {
    const { queue } = await fixture.queueWithPeer();
    queue.start();
    const info = watch(queue.closed);
    await queue.close(undefined, { timeout: 20 });
    expect(info.value?.code).toBe('K4NET_TIMEOUT');
    const { queue: other } = await fixture.queueWithPeer();
    const slow = watch(other.close());
    await other.close(undefined, { timeout: 0 });
    await until(() => slow.state === 'resolved');
  });

  it('reports the error of a failed connection to all pending calls, and still runs waiting callbacks', async () => {
    const causes: (K4netError | undefined)[] = [];
    const { near, far, cut } = await fixture.queuePair({
      far: { onClose: (cause) => void causes.push(cause) },
    });
    const seen: boolean[] = [];
    const gate = new Deferred<void>();
    far.registerCallback('x', async (_, { signal }) => {
      await gate.promise;
      seen.push(signal.aborted);
    });
    far.start();
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    void near.send('unread');
    await until(() => far.stats().callbackQueue.messages === 2 && far.stats().receiveQueue.messages === 1);
    const call = watch(far.call('y', '', { timeout: Infinity }));
    cut();
    await far.closed;
    await until(() => call.state === 'rejected');
    expect(call.reason).toMatchObject({ code: 'K4NET_CONNECTION' });
    expect(textOf(await far.recv())).toBe('unread');
    await failure(far.recv(), 'K4NET_CONNECTION');
    await failure(far.call('y'), 'K4NET_CONNECTION');
    gate.resolve();
    await until(() => seen.length === 3);
    expect(seen).toEqual([true, true, true]);
    expect((await far.closed).code).toBe('K4NET_CONNECTION');
    await until(() => causes.length > 0);
    await far.close();
    expect(causes.map((cause) => cause?.code)).toEqual(['K4NET_CONNECTION']);
  });

  it('waits for callbacks when the peer has ended, and sends their answers', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ concurrency: 1, requestConcurrency: 1 });
    const seen: string[] = [];
    const gate = new Deferred<void>();
    queue.registerCallback('message', async (reader) => {
      await gate.promise;
      seen.push(textOf(reader.read()));
    });
    queue.registerCallback('request', async (reader) => {
      await gate.promise;
      return reader.read();
    });
    queue.start();
    const call = queue.call('x', '', { timeout: Infinity });
    expect(decodeControl(await peer.recv())).toMatchObject({ type: 'request' });
    for (const text of ['1', '2']) {
      void peer.send(registered('message', text));
      void peer.send(encodeRequest(Number(text), 'request', Uint8Array.from(Buffer.from(text))));
      void peer.send(`raw ${text}`);
    }
    void peer.end();
    expect(textOf(await queue.recv())).toBe('raw 1');
    // The end has come: calls of this side cannot be answered any more.
    await failure(call, 'K4NET_CLOSED');
    gate.resolve();
    for (const id of [1, 2]) expect(decodeControl(await peer.recv())).toMatchObject({ type: 'answer', id });
    await failure(peer.recv(), 'K4NET_CLOSED');
    expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(seen).toEqual(['1', '2']);
    expect(textOf(await queue.recv())).toBe('raw 2');
    await failure(queue.recv(), 'K4NET_CLOSED');
  });
});

describe('QueueSocket: a connection that fails while the queues are full', () => {
  const fixture = useFixture();

  const far = { maxQueuedMessages: 2 };

  it('rejects calls although messages wait for recv', async () => {
    const { near, far: sock, cut } = await fixture.startedQueuePair({ far });
    for (let i = 0; i < 5; i += 1) void near.send(`${i}`);
    await until(() => sock.stats().receiveQueue.messages === 2);
    const call = watch(sock.call('x', '', { timeout: Infinity }));
    cut();
    await sock.closed;
    await until(() => call.state === 'rejected');
    expect(call.reason).toMatchObject({ code: 'K4NET_CONNECTION' });
    await failure(sock.call('x', '', { timeout: Infinity }), 'K4NET_CONNECTION');
    for (let i = 0; i < 5; i += 1) expect(textOf(await sock.recv())).toBe(`${i}`);
    await failure(sock.recv(), 'K4NET_CONNECTION');
  });

  it('aborts the signals of running callbacks', async () => {
    const { near, far: sock, cut } = await fixture.queuePair({ far });
    const seen: number[] = [];
    sock.registerCallback('x', async (reader, { signal }) => {
      if (!signal.aborted)
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
      seen.push(reader.readUbyte());
    });
    sock.start();
    for (let i = 0; i < 6; i += 1) void near.sendRegistered('x', new Uint8Array([i]));
    await until(() => sock.stats().callbackQueue.messages === 2);
    cut();
    await until(() => seen.length === 6);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    await failure(sock.recv(), 'K4NET_CONNECTION');
  });
});

describe.each(socketKinds)('QueueSocket, %s: a request that manual dispatch holds', (carrier) => {
  const fixture = useFixture(carrier);

  it.each([
    [
      'the connection breaks',
      ({ cut }) => {
        cut();
      },
    ],
    ['the peer closes', ({ near }) => near.close(undefined, { timeout: 0 })],
  ] as readonly [string, (pair: QueuePair) => unknown][])(
    'has its signal aborted when %s',
    async (_, end) => {
      const pair = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
      const { near, far } = pair;
      const seen: unknown[] = [];
      far.registerCallback('x', async (reader, { signal }) => {
        if (!signal.aborted) await aborted(signal);
        seen.push(textOf(reader.read()), K4netError.is(signal.reason));
        return 'nobody waits for this';
      });
      void near.call('x', 'held');
      await until(() => far.stats().requestsInFlight === 1);
      await end(pair);
      await far.closed;
      expect(await far.recvRegistered()).toBe(1);
      expect(seen).toEqual(['held', true]);
      expect(far.stats()).toMatchObject({ callbacksRun: 1, requestQueue: { messages: 0, bytes: 0 } });
    },
  );

  it('has its signal aborted when the socket closes while recvRegistered runs its callback', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    let reason: unknown;
    far.registerCallback('x', async (_, { signal }) => {
      await aborted(signal);
      reason = signal.reason as unknown;
    });
    void near.call('x');
    await until(() => far.stats().requestsInFlight === 1);
    const performing = far.recvRegistered();
    await until(() => far.stats().callbacksRun === 1);
    await far.close();
    await performing;
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ code: 'K4NET_CLOSED' });
  });
});

describe('QueueSocket: onClose', () => {
  const fixture = useFixture();

  it.each([
    ['bytes', () => new Uint8Array([0x79])],
    ['text', () => 'y'],
    ['a promise of bytes', () => Promise.resolve(new Uint8Array([0x79]))],
    ['a promise of text, later', () => turns(3).then(() => 'y')],
  ])('returns the closing message: %s', async (_, onClose) => {
    const { near, far } = await fixture.startedQueuePair({ near: { onClose } });
    void near.send('x');
    void near.close();
    expect(textOf(await far.recv())).toBe('x');
    expect(textOf(await far.recv())).toBe('y');
    await failure(far.recv(), 'K4NET_CLOSED');
  });

  it.each([
    ['nothing', () => undefined, 0],
    ['a promise of nothing', () => Promise.resolve(undefined), 0],
    [
      'a throw',
      () => {
        throw new Error('broken');
      },
      1,
    ],
    ['a rejection', () => Promise.reject(new Error('broken')), 1],
    ['a number', () => 42, 1],
    ['a promise of an object', () => Promise.resolve({}), 1],
    ['null', () => null, 1],
    ['a control message', () => hex('00 4b 51 05'), 1],
  ])('may return no closing message, and its errors are reported: %s', async (_, onClose, reports) => {
    const errors = new ErrorLog();
    const near = { onClose: onClose as NonNullable<QueueSocketOptions['onClose']>, onError: errors.onError };
    const { near: sock, far } = await fixture.startedQueuePair({ near });
    void sock.send('x');
    void sock.close();
    expect(textOf(await far.recv())).toBe('x');
    await failure(far.recv(), 'K4NET_CLOSED');
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(errors.kinds).toEqual(Array.from({ length: reports }, () => 'hook onClose'));
  });

  it('is overridden by the closing message of close', async () => {
    let asked = 0;
    const { near, far } = await fixture.startedQueuePair({ near: { onClose: () => `hook ${(asked += 1)}` } });
    void near.close('explicit');
    expect(textOf(await far.recv())).toBe('explicit');
    await failure(far.recv(), 'K4NET_CLOSED');
    expect(asked).toBe(1);
  });

  it('delays the close by its timeout at most', async () => {
    const { near } = await fixture.startedQueuePair({
      near: { onClose: () => new Promise<undefined>(() => undefined) },
    });
    await near.close(undefined, { timeout: 20 });
    expect(near.readyState).toBe('closed');
    const { near: other } = await fixture.startedQueuePair({
      near: { onClose: () => new Promise<undefined>(() => undefined) },
    });
    void other.close();
    await other.close(undefined, { timeout: 0 });
    expect(other.readyState).toBe('closed');
  });

  it.each([
    'close',
    'dispose',
    'drain',
    'the peer',
    'a cut',
    'a broken message',
    'the socket below',
    'idleness',
  ])('is called exactly once when the end comes from: %s', async (way) => {
    const causes: (K4netError | undefined)[] = [];
    const onClose = (cause: K4netError | undefined): void => void causes.push(cause);
    const idleTimeout = way === 'idleness' ? 20 : Infinity;
    const { near, far, nearSocket, farSocket, cut } = await fixture.startedQueuePair({
      near: { onClose, idleTimeout },
    });
    if (way === 'close') void near.close();
    if (way === 'dispose') void near[Symbol.asyncDispose]();
    if (way === 'drain') void near.drain();
    if (way === 'the peer') void far.close();
    if (way === 'a cut') cut();
    if (way === 'a broken message') void far.send(new Uint8Array(17 * 1024 * 1024));
    if (way === 'the socket below') void nearSocket.close();
    const { code } = await near.closed;
    await until(() => causes.length > 0);
    await Promise.all([near.close(), near.drain(), near.close()]);
    await turns(3);
    const expected = {
      'a cut': 'K4NET_CONNECTION',
      'a broken message': 'K4NET_TOO_LARGE',
      idleness: 'K4NET_TIMEOUT',
    }[way];
    expect(causes.map((cause) => cause?.code)).toEqual([expected]);
    expect(code).toBe(expected ?? 'K4NET_CLOSED');
    await farSocket.close(undefined, { timeout: 0 });
  });

  it('can close the socket itself', async () => {
    const pair = await fixture.startedQueuePair({
      near: {
        onClose: () => {
          void pair.near.close('inner');
          return 'word';
        },
      },
    });
    void pair.near.close();
    expect(textOf(await pair.far.recv())).toBe('word');
    expect(await pair.near.closed).toEqual({ code: 'K4NET_CLOSED' });
  });
});

describe.each(socketKinds)('QueueSocket, %s: drain', (carrier) => {
  const fixture = useFixture(carrier);

  it('finishes callbacks and calls, refuses new requests, and closes', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ requestConcurrency: 1, onClose: () => 'bye' });
    const seen: string[] = [];
    const gate = new Deferred<void>();
    queue.registerCallback('x', async (reader, { signal }) => {
      await gate.promise;
      seen.push(`${textOf(reader.read())} ${signal.aborted}`);
      return 'done';
    });
    queue.start();
    const call = queue.call('y');
    expect(decodeControl(await peer.recv())).toMatchObject({ type: 'request', id: 1 });
    for (const text of ['1', '2']) void peer.send(registered('x', text));
    for (const id of [1, 2]) void peer.send(encodeRequest(id, 'x', Uint8Array.from(Buffer.from(`r${id}`))));
    await until(
      () => queue.stats().callbackQueue.messages === 1 && queue.stats().requestQueue.messages === 2,
    );
    const draining = watch(queue.drain({ timeout: 20_000 }));
    void peer.send(encodeRequest(3, 'x', none));
    expect(decodeControl(await peer.recv())).toMatchObject({ type: 'failure', id: 3, code: 'K4NET_CLOSED' });
    gate.resolve();
    for (const id of [1, 2]) expect(decodeControl(await peer.recv())).toMatchObject({ type: 'answer', id });
    await until(() => seen.length === 4);
    expect([...seen].sort()).toEqual(['1 false', '2 false', 'r1 false', 'r2 false']);
    await turns(3);
    expect([queue.readyState, draining.state]).toEqual(['open', 'pending']);
    void peer.send(hex('00 4b 51 02 01000000 61'));
    expect(textOf((await call).read())).toBe('a');
    expect(textOf(await peer.recv())).toBe('bye');
    await failure(peer.recv(), 'K4NET_CLOSED');
    await peer.close();
    expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
    await until(() => draining.state === 'resolved');
  });

  it('waits for callbacks, which can still make calls', async () => {
    const { near, far } = await fixture.startedQueuePair();
    near.registerCallback('what?', () => 'this');
    const gate = new Deferred<void>();
    const seen: string[] = [];
    far.registerCallback('x', async (_, { socket }) => {
      await gate.promise;
      seen.push(textOf((await socket.call('what?')).read()));
    });
    void near.sendRegistered('x');
    await until(() => far.stats().callbacksRun === 1);
    const draining = far.drain();
    gate.resolve();
    await draining;
    expect(seen).toEqual(['this']);
  });

  it('cuts the connection after its timeout and aborts the signals of running callbacks', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    let signal: AbortSignalLike | undefined;
    queue.registerCallback('x', (_, context) => {
      ({ signal } = context);
      return new Promise(() => undefined);
    });
    queue.start();
    void peer.send(registered('x'));
    await until(() => signal !== undefined);
    const call = watch(queue.call('y', '', { timeout: Infinity }));
    await queue.drain({ timeout: 30 });
    expect(queue.readyState).toBe('closed');
    expect(signal?.aborted).toBe(true);
    expect(call.reason).toMatchObject({ code: 'K4NET_CLOSED' });
  });
});

describe('QueueSocket: drain', () => {
  const fixture = useFixture();

  it('runs the callbacks that wait for recvRegistered', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    let runs = 0;
    far.registerCallback('x', () => void (runs += 1));
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    await until(() => far.stats().callbackQueue.messages === 3);
    await far.drain();
    expect(runs).toBe(3);
  });

  it('aborts the signal of a request that manual dispatch holds, and still sends its answer', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    far.registerCallback('long', async (_, { signal }) => {
      if (!signal.aborted) await aborted(signal);
      return `stopped: ${(signal.reason as K4netError).code}`;
    });
    const answer = near.call('long');
    await until(() => far.stats().requestsInFlight === 1);
    await far.drain();
    expect(textOf((await answer).read())).toBe('stopped: K4NET_CLOSED');
  });

  it('resolves when the peer is gone, after close, and each time it is called', async () => {
    const { far, cut } = await fixture.startedQueuePair();
    cut();
    await Promise.all([far.drain(), far.drain()]);
    await far.drain({ timeout: 0 });
    const { near } = await fixture.startedQueuePair();
    await near.close();
    await near.drain();
    const { near: unstarted } = await fixture.queuePair();
    await unstarted.drain({ timeout: 20 });
    expect(unstarted.readyState).toBe('closed');
  });

  it.each([
    [{ time: 1 }, TypeError],
    [{ timeout: -1 }, RangeError],
    [null, TypeError],
  ])('rejects the options %j', async (options, type) => {
    const { near } = await fixture.startedQueuePair();
    expect(await reasonOf(near.drain(options as never))).toBeInstanceOf(type);
    expect(await reasonOf(near.close(undefined, options as never))).toBeInstanceOf(type);
    expect(near.readyState).toBe('open');
    await near.send('x');
  });

  it('waits for requests, which the peer can still cancel', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    queue.registerCallback('x', async (_, { signal }) => {
      if (!signal.aborted)
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
    });
    queue.start();
    void peer.send(encodeRequest(1, 'x', none));
    await until(() => queue.stats().callbacksRun === 1);
    const draining = watch(queue.drain({ timeout: 20_000 }));
    await turns(3);
    expect(draining.state).toBe('pending');
    void peer.send(encodeCancel(1));
    void peer.close();
    await until(() => draining.state === 'resolved');
  });
});

describe.each(socketKinds)('QueueSocket, %s: a socket that is closed', (carrier) => {
  const fixture = useFixture(carrier);

  it('by the onError of an unmatched message ends cleanly', async () => {
    const onError = (): void => void far.close();
    const { near, far } = await fixture.startedQueuePair({ far: { unmatched: 'error', onError } });
    await near.sendRegistered('nobody', 'text');
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
  });
});

it.each(['close', 'onClose'])(
  'a socket that was half-closed before closes without the message of %s',
  async (how) => {
    const [one, two] = memoryPair().map((end) => new LockedSocket(end)) as [LockedSocket, LockedSocket];
    await one.end();
    const queue = new QueueSocket(one, how === 'onClose' ? { onClose: () => 'the word' } : {});
    const closing = queue.close(how === 'close' ? 'the word' : undefined);
    void two.close();
    await closing;
    expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
  },
);
