import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { BinaryWriter } from '../../lib/binary/writer.js';
import { K4netError, RemoteError, TimeoutError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import { encodeCancel, encodeFailure } from '../../lib/queue/envelope.js';
import type { Payload } from '../../lib/queue/call-types.js';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import { Deferred, type AbortSignalLike } from '../../lib/util/wait.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { bytesOf, encodeRequest, ErrorLog, recvControl, textIn } from '../support/queue.js';
import { failure, failureOf, reasonOf, textOf, until, watch } from '../support/sockets.js';

describe.each(socketKinds)('QueueSocket, %s: a call', (carrier) => {
  const fixture = useFixture(carrier);

  it('resolves with the result of the callback', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const values: Record<string, Payload | undefined> = {
      bytes: new Uint8Array([1, 0, 255]),
      text: 'grüße',
      nothing: undefined,
      constructor: (writer: BinaryWriter) => {
        writer.writeUbyte(7);
      },
    };
    const expected: Record<string, number[]> = {
      bytes: [1, 0, 255],
      text: [...bytesOf('grüße')],
      nothing: [],
      constructor: [7],
    };
    for (const [name, value] of Object.entries(values)) {
      far.registerCallback(name, () => value);
      far.registerCallback(`${name} later`, async () => {
        await turns();
        return value;
      });
      expect([...(await near.call(name)).read()]).toEqual(expected[name]);
      expect([...(await near.call(`${name} later`)).read()]).toEqual(expected[name]);
    }
  });

  it('sends bytes, text or the output of a constructor, of any size', async () => {
    const { near, far } = await fixture.startedQueuePair();
    far.registerCallback('echo', (reader) => reader.read());
    expect(textIn(await near.call('echo', 'text'))).toBe('text');
    expect((await near.call('echo')).length).toBe(0);
    expect(
      (
        await near.call('echo', (writer) => {
          writer.writeUint(1);
        })
      ).readUint(),
    ).toBe(1);
    for (const size of [1, 16 * 1024, 100_000, 3_000_000]) {
      expect(same((await near.call('echo', pattern(size))).read(), pattern(size))).toBe(true);
    }
  });

  it('rejects with the code and message that the callback throws, without its stack', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: new ErrorLog() });
    far.registerCallback('throws', () => {
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    });
    far.registerCallback('rejects', () => Promise.reject(new TypeError('wrong')));
    const error = await failureOf(near.call('throws'), RemoteError);
    expect([error.code, error.callback, error.remoteCode, error.remoteMessage]).toEqual([
      'K4NET_REMOTE',
      'throws',
      'ENOENT',
      'no such file',
    ]);
    const other = await failureOf(near.call('rejects'), RemoteError);
    expect([other.remoteCode, other.remoteMessage]).toEqual(['', 'wrong']);
    const unknown = await failureOf(near.call('nobody'), RemoteError);
    expect(unknown.remoteCode).toBe('K4NET_NO_CALLBACK');
  });

  it('has an error stack with the line that awaits it, typed or not', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { onError: () => undefined } });
    const typed = near.typed({ x: codec.request(codec.string, codec.string) });
    far.registerCallback('x', () => {
      throw new Error('no answer');
    });
    async function bare(): Promise<void> {
      await near.call('x');
    }
    async function withTypes(): Promise<void> {
      await typed.call('x', 'text');
    }
    async function many(): Promise<void> {
      await Promise.all([near.call('x'), near.call('x')]);
    }
    for (const ask of [bare, withTypes, many]) {
      const { stack } = await failureOf(ask(), RemoteError);
      expect(stack).toMatch(new RegExp(`at (async )?${ask.name} .*requests\\.spec\\.ts`));
    }
  });

  it('can be made in both directions at once, many at a time', async () => {
    const { near, far } = await fixture.startedQueuePair();
    for (const sock of [near, far]) {
      sock.registerCallback('double', async (reader) => {
        const number = reader.readUint();
        if (number % 3 === 0) await turns(number % 5);
        return (writer: { writeUint(n: number): void }) => {
          writer.writeUint(number * 2);
        };
      });
    }
    const call = async (sock: QueueSocket, number: number): Promise<void> => {
      const answer = await sock.call('double', (writer) => {
        writer.writeUint(number);
      });
      expect(answer.readUint()).toBe(number * 2);
    };
    await Promise.all(Array.from({ length: 400 }, (_, i) => call(i % 2 === 0 ? near : far, i)));
    expect(near.stats()).toMatchObject({ callsInFlight: 0, requestsInFlight: 0 });
    expect(near.stats().roundTripTime).toBeGreaterThan(0);
  });

  it('can be made by the callback of another call, recursively', async () => {
    const { near, far } = await fixture.startedQueuePair();
    for (const sock of [near, far]) {
      sock.registerCallback('down', async (reader, { socket }) => {
        const depth = reader.readUint();
        if (depth === 0) return 'bottom';
        return (
          await socket.call('down', (writer) => {
            writer.writeUint(depth - 1);
          })
        ).read();
      });
    }
    const calls = [near, far, near, far].map((sock) =>
      sock.call('down', (writer) => {
        writer.writeUint(13);
      }),
    );
    for (const answer of await Promise.all(calls)) expect(textIn(answer)).toBe('bottom');
  });
});

describe('QueueSocket: answers', () => {
  const fixture = useFixture();

  it.each([1, null, true, {}, [1], new ArrayBuffer(1), 1n, Symbol('x')])(
    'must be bytes, text or a constructor, not %o',
    async (value) => {
      const errors = new ErrorLog();
      const { near, far } = await fixture.startedQueuePair({ far: errors });
      far.registerCallback('sync', () => value as never);
      far.registerCallback('async', () => Promise.resolve(value as never));
      for (const name of ['sync', 'async']) {
        expect((await failureOf(near.call(name), RemoteError)).remoteMessage).toContain('not ');
      }
      expect(errors.kinds).toEqual(['request sync', 'request async']);
      for (const { error } of errors.entries) expect(error).toBeInstanceOf(TypeError);
      expect(far.stats().callbacksFailed).toBe(2);
    },
  );

  it('become failures if their constructor throws or is asynchronous', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: new ErrorLog() });
    far.registerCallback('throws', () => () => {
      throw new Error('broken');
    });
    far.registerCallback('async', () => () => Promise.reject(new Error('broken')));
    expect((await failureOf(near.call('throws'), RemoteError)).remoteMessage).toBe('broken');
    expect((await failureOf(near.call('async'), RemoteError)).remoteMessage).toContain('async');
  });

  it.each([
    ['a string', 'just words', '', 'just words'],
    ['nothing', undefined, '', 'the callback threw a value that is not an Error'],
    ['an object', { message: 'x', code: 'X' }, '', 'the callback threw a value that is not an Error'],
    ['a code that is no word', Object.assign(new Error('m'), { code: 42 }), '', 'm'],
    ['a code that is not ASCII', Object.assign(new Error('m'), { code: 'ä' }), '', 'm'],
    ['an error of the library', new K4netError('K4NET_STATE', 'not now'), 'K4NET_STATE', 'not now'],
    ['an error without words', new Error(''), '', ''],
  ])('become failures if the callback throws %s', async (_, thrown, code, message) => {
    const { near, far } = await fixture.startedQueuePair({ far: new ErrorLog() });
    far.registerCallback('x', () => {
      throw thrown as Error;
    });
    const error = await failureOf(near.call('x'), RemoteError);
    expect([error.remoteCode, error.remoteMessage]).toEqual([code, message]);
  });

  it('that are failures contain no stack and no path, and are cut between characters', async () => {
    const { queue, peer } = await fixture.queueWithPeer(new ErrorLog());
    const thrown = new Error('broken');
    expect(thrown.stack).toMatch(/\n\s+at .*requests\.spec/);
    queue.registerCallback('short', () => {
      throw thrown;
    });
    queue.registerCallback('long', () => Promise.reject(new Error('世'.repeat(1000))));
    queue.start();
    void peer.send(encodeRequest(7, 'short', new Uint8Array(0)));
    expect(same(await peer.recv(), encodeFailure(7, '', 'broken'))).toBe(true);
    void peer.send(encodeRequest(8, 'long', new Uint8Array(0)));
    const text = '世'.repeat(341);
    expect(await recvControl(peer)).toEqual({
      type: 'failure',
      id: 8,
      code: '',
      text,
      data: new Uint8Array(0),
    });
  });

  it('that are failures are reported to onError too, unless the callback is missing', async () => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: errors });
    const broken = new Error('broken');
    far.registerCallback('bad', () => Promise.reject(broken));
    await failure(near.call('bad'), 'K4NET_REMOTE');
    await failure(near.call('nobody'), 'K4NET_REMOTE');
    expect(errors.entries).toEqual([{ error: broken, info: { name: 'bad', kind: 'request' } }]);
  });

  it('do not wait for messages whose callback is slow', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    near.registerCallback('slow', () => gate.promise);
    far.registerCallback('echo', (reader) => reader.read());
    for (let i = 0; i < 5; i += 1) void far.sendRegistered('slow');
    await until(() => near.stats().callbacksRun === 1);
    expect(textIn(await near.call('echo', 'x'))).toBe('x');
    expect(near.stats().callbackQueue.messages).toBe(4);
    gate.resolve();
  });

  it('reach the callback of a message that makes a call', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const seen: string[] = [];
    near.registerCallback(
      'news',
      async (_, { socket }) => void seen.push(textIn(await socket.call('what?'))),
    );
    far.registerCallback('what?', () => 'this');
    for (let i = 0; i < 10; i += 1) void far.sendRegistered('news');
    await until(() => seen.length === 10);
  });

  it('are discarded if they answer a message', async () => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: errors });
    far.registerCallback('x', () => 42 as never);
    far.registerCallback('y', () => Promise.resolve({} as never));
    void near.sendRegistered('x');
    void near.sendRegistered('y');
    await until(() => far.stats().callbacksRun === 2);
    void near.send('after');
    expect(textOf(await far.recv())).toBe('after');
    expect(errors.entries).toEqual([]);
    expect(far.stats().messagesSent).toBe(0);
  });
});

describe('QueueSocket: a cancelled call', () => {
  const fixture = useFixture();

  /** A far end whose callback waits until its signal aborts. */
  async function patient() {
    const errors = new ErrorLog();
    const pair = await fixture.startedQueuePair({ far: errors });
    const signals: AbortSignalLike[] = [];
    const done: unknown[] = [];
    pair.far.registerCallback('wait', async (_, { signal }) => {
      signals.push(signal);
      if (!signal.aborted)
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
      done.push(signal.reason);
      throw new Error('given up');
    });
    return { ...pair, errors, signals, done };
  }

  it('aborts the signal of the callback after its timeout, and ignores the error that it throws then', async () => {
    const { near, far, signals, done, errors } = await patient();
    const error = await failureOf(near.call('wait', 'x', { timeout: 20 }), TimeoutError);
    expect(error.timeout).toBe(20);
    await until(() => done.length === 1);
    expect(signals[0]?.aborted).toBe(true);
    await until(() => far.stats().requestsInFlight === 0);
    await turns(3);
    expect(errors.entries).toEqual([]);
    expect(far.stats().messagesSent).toBe(1);
    expect(near.stats().callsInFlight).toBe(0);
  });

  it('rejects with the reason of its signal and removes its listener', async () => {
    const { near, signals, done } = await patient();
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [near.call('wait', '', { signal }), near.call('wait', '', { signal, timeout: 60_000 })];
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    await until(() => signals.length === 2);
    controller.abort('enough');
    for (const each of calls) expect(await reasonOf(each)).toBe('enough');
    await until(() => done.length === 2);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    expect(await reasonOf(near.call('wait', '', { signal }))).toBe('enough');
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });

  it('sends nothing with a timeout of 0', async () => {
    const { near } = await patient();
    await failureOf(near.call('wait', '', { timeout: 0 }), TimeoutError);
    expect(near.stats().messagesSent).toBe(0);
  });

  it('uses callTimeout of the socket by default', async () => {
    const { near } = await fixture.startedQueuePair({
      near: { callTimeout: 15 },
      far: { dispatch: 'manual' },
    });
    expect((await failureOf(near.call('x'), TimeoutError)).timeout).toBe(15);
    const patient = watch(near.call('x', '', { timeout: Infinity }));
    await failureOf(near.call('x'), TimeoutError);
    expect(patient.state).toBe('pending');
  });

  it('never runs its callback if that still waits', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ requestConcurrency: 1 });
    const seen: string[] = [];
    const gate = new Deferred<void>();
    queue.registerCallback('x', async (reader) => {
      seen.push(textIn(reader));
      await gate.promise;
    });
    queue.start();
    for (let id = 1; id <= 4; id += 1) void peer.send(encodeRequest(id, 'x', bytesOf(`${id}`)));
    void peer.send(encodeCancel(2));
    void peer.send(encodeCancel(4));
    void peer.send(encodeCancel(99));
    await until(() => queue.stats().messagesReceived === 7);
    gate.resolve();
    const replies = [
      await recvControl(peer),
      await recvControl(peer),
      await recvControl(peer),
      await recvControl(peer),
    ];
    expect(replies).toMatchObject([
      { type: 'failure', id: 2, code: 'K4NET_CANCELLED' },
      { type: 'failure', id: 4, code: 'K4NET_CANCELLED' },
      { type: 'answer', id: 1 },
      { type: 'answer', id: 3 },
    ]);
    await until(() => queue.stats().requestQueue.messages === 0);
    expect(seen).toEqual(['1', '3']);
  });

  it('keeps its id until its callback has ended, and another request can use the id then', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const gates: Deferred<string>[] = [];
    queue.registerCallback('x', () => {
      const gate = new Deferred<string>();
      gates.push(gate);
      return gate.promise;
    });
    queue.start();
    void peer.send(encodeRequest(1, 'x', new Uint8Array(0)));
    await until(() => gates.length === 1);
    void peer.send(encodeCancel(1));
    await until(() => queue.stats().messagesReceived === 2);
    gates[0]?.resolve('first');
    expect(await recvControl(peer)).toMatchObject({ type: 'failure', id: 1, code: 'K4NET_CANCELLED' });
    void peer.send(encodeRequest(1, 'x', new Uint8Array(0)));
    await until(() => gates.length === 2);
    gates[1]?.resolve('second');
    expect(await recvControl(peer)).toMatchObject({ type: 'answer', id: 1, payload: bytesOf('second') });
    expect(queue.stats().messagesSent).toBe(2);
  });

  it.each([
    [{ time: 1 }, TypeError],
    [{ timeout: -1 }, RangeError],
    [{ timeout: NaN }, RangeError],
    [{ timeout: '1' }, TypeError],
    [{ signal: {} }, TypeError],
    [null, TypeError],
  ])('rejects the options %j', async (options, type) => {
    const { near } = await fixture.startedQueuePair();
    expect(await reasonOf(near.call('x', '', options as never))).toBeInstanceOf(type);
    expect(near.stats().messagesSent).toBe(0);
  });
});

describe.each(socketKinds)('QueueSocket, %s: a Buffer', (carrier) => {
  const fixture = useFixture(carrier);

  it('can be reused when call has returned', async () => {
    const { near, far } = await fixture.startedQueuePair({ near: { maxQueuedMessages: 1 } });
    far.registerCallback('echo', (reader) => reader.read().slice());
    for (const size of [4, 20_000]) {
      const buffer = Buffer.alloc(size, 1);
      const calls = [near.call('echo', buffer), near.call('echo', buffer)];
      buffer.fill(2);
      for (const call of calls) expect(same((await call).read(), Buffer.alloc(size, 1))).toBe(true);
    }
  });

  it('can be reused when its answer was returned', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const buffer = Buffer.alloc(20_000, 1);
    far.registerCallback('buffer', () => {
      queueMicrotask(() => buffer.fill(2));
      return buffer;
    });
    expect(same((await near.call('buffer')).read(), Buffer.alloc(20_000, 1))).toBe(true);
  });
});
