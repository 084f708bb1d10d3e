import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { BinaryReader } from '../../lib/binary/reader.js';
import type { BinaryWriter } from '../../lib/binary/writer.js';
import { K4netError, MalformedError, RemoteError, TimeoutError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import { encodeCancel, encodeFailure, isControl } from '../../lib/queue/envelope.js';
import type { Payload } from '../../lib/queue/types.js';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { Deferred, type AbortSignalLike } from '../../lib/util/wait.js';
import {
  decodeControl,
  encodeAnswer,
  encodeRequest,
  Errors,
  hex,
  QueueField,
  queueCarriers,
  registered,
} from '../support/queue.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { drain, failure, failureOf, fill, reasonOf, textOf, until, watch } from '../support/sockets.js';

const textIn = (reader: BinaryReader): string => textOf(reader.read());
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

/** The next control message at a bare end. */
async function control(peer: LockedSocket) {
  return decodeControl(await peer.recv());
}

describe.each(queueCarriers)('QueueSocket, %s: a call', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it('resolves with the result of the callback', async () => {
    const { near, far } = await field.started();
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
    const { near, far } = await field.started();
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
    const { near, far } = await field.started({ far: new Errors() });
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
    const { near, far } = await field.started({ far: { onError: () => undefined } });
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
    const { near, far } = await field.started();
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
    const { near, far } = await field.started();
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
  const field = new QueueField();
  afterEach(() => field.clear());

  it.each([1, null, true, {}, [1], new ArrayBuffer(1), 1n, Symbol('x')])(
    'must be bytes, text or a constructor, not %o',
    async (value) => {
      const errors = new Errors();
      const { near, far } = await field.started({ far: errors });
      far.registerCallback('sync', () => value as never);
      far.registerCallback('async', () => Promise.resolve(value as never));
      for (const name of ['sync', 'async']) {
        expect((await failureOf(near.call(name), RemoteError)).remoteMessage).toContain('not ');
      }
      expect(errors.kinds).toEqual(['request sync', 'request async']);
      for (const { error } of errors.heard) expect(error).toBeInstanceOf(TypeError);
      expect(far.stats().callbacksFailed).toBe(2);
    },
  );

  it('by a constructor that throws or is asynchronous become failures', async () => {
    const { near, far } = await field.started({ far: new Errors() });
    far.registerCallback('throws', () => () => {
      throw new Error('broken');
    });
    far.registerCallback('async', () => () => Promise.reject(new Error('broken')));
    expect((await failureOf(near.call('throws'), RemoteError)).remoteMessage).toBe('broken');
    expect((await failureOf(near.call('async'), RemoteError)).remoteMessage).toContain('async');
  });

  it.each([
    ['a string', 'just words', '', 'just words'],
    ['nothing', undefined, '', 'it failed'],
    ['an object', { message: 'x', code: 'X' }, '', 'it failed'],
    ['a code that is no word', Object.assign(new Error('m'), { code: 42 }), '', 'm'],
    ['a code that is not ASCII', Object.assign(new Error('m'), { code: 'ä' }), '', 'm'],
    ['an error of the library', new K4netError('K4NET_STATE', 'not now'), 'K4NET_STATE', 'not now'],
    ['an error without words', new Error(''), '', ''],
  ])('that fail with %s', async (_, thrown, code, message) => {
    const { near, far } = await field.started({ far: new Errors() });
    far.registerCallback('x', () => {
      throw thrown as Error;
    });
    const error = await failureOf(near.call('x'), RemoteError);
    expect([error.remoteCode, error.remoteMessage]).toEqual([code, message]);
  });

  it('that are failures contain no stack and no path, and are cut between characters', async () => {
    const { queue, peer } = await field.alone(new Errors());
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
    expect(await control(peer)).toEqual({ type: 'failure', id: 8, code: '', text: '世'.repeat(341) });
  });

  it('that are failures are reported to onError too, unless the callback is missing', async () => {
    const errors = new Errors();
    const { near, far } = await field.started({ far: errors });
    const broken = new Error('broken');
    far.registerCallback('bad', () => Promise.reject(broken));
    await failure(near.call('bad'), 'K4NET_REMOTE');
    await failure(near.call('nobody'), 'K4NET_REMOTE');
    expect(errors.heard).toEqual([{ error: broken, info: { name: 'bad', kind: 'request' } }]);
  });

  it('do not wait for messages whose callback is slow', async () => {
    const { near, far } = await field.started();
    const gate = new Deferred<void>();
    near.registerCallback('slow', () => gate.promise);
    far.registerCallback('echo', (reader) => reader.read());
    for (let i = 0; i < 5; i += 1) void far.sendRegistered('slow');
    await until(() => near.stats().callbacksRun === 1);
    expect(textIn(await near.call('echo', 'x'))).toBe('x');
    expect(near.stats().callbackQueue.messages).toBe(4);
    gate.resolve();
  });

  it('reach a callback of a message that calls back', async () => {
    const { near, far } = await field.started();
    const seen: string[] = [];
    near.registerCallback(
      'news',
      async (_, { socket }) => void seen.push(textIn(await socket.call('what?'))),
    );
    far.registerCallback('what?', () => 'this');
    for (let i = 0; i < 10; i += 1) void far.sendRegistered('news');
    await until(() => seen.length === 10);
  });

  it('to a message are discarded', async () => {
    const errors = new Errors();
    const { near, far } = await field.started({ far: errors });
    far.registerCallback('x', () => 42 as never);
    far.registerCallback('y', () => Promise.resolve({} as never));
    void near.sendRegistered('x');
    void near.sendRegistered('y');
    await until(() => far.stats().callbacksRun === 2);
    void near.send('after');
    expect(textOf(await far.recv())).toBe('after');
    expect(errors.heard).toEqual([]);
    expect(far.stats().messagesSent).toBe(0);
  });
});

describe('QueueSocket: a cancelled call', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  /** A far end whose callback waits until it is told that nobody waits. */
  async function patient() {
    const errors = new Errors();
    const pair = await field.started({ far: errors });
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
    expect(errors.heard).toEqual([]);
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
    const { near } = await field.started({ near: { callTimeout: 15 }, far: { dispatch: 'manual' } });
    expect((await failureOf(near.call('x'), TimeoutError)).timeout).toBe(15);
    const patient = watch(near.call('x', '', { timeout: Infinity }));
    await failureOf(near.call('x'), TimeoutError);
    expect(patient.state).toBe('pending');
  });

  it('never runs its callback if that still waits', async () => {
    const { queue, peer } = await field.alone({ requestConcurrency: 1 });
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
    const replies = [await control(peer), await control(peer), await control(peer), await control(peer)];
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
    const { queue, peer } = await field.alone();
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
    expect(await control(peer)).toMatchObject({ type: 'failure', id: 1, code: 'K4NET_CANCELLED' });
    void peer.send(encodeRequest(1, 'x', new Uint8Array(0)));
    await until(() => gates.length === 2);
    gates[1]?.resolve('second');
    expect(await control(peer)).toMatchObject({ type: 'answer', id: 1, payload: bytesOf('second') });
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
    const { near } = await field.started();
    expect(await reasonOf(near.call('x', '', options as never))).toBeInstanceOf(type);
    expect(near.stats().messagesSent).toBe(0);
  });
});

describe('QueueSocket: a peer that violates the protocol', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it('by a duplicate id of an unanswered request is reported, and gets one answer', async () => {
    const errors = new Errors();
    const { queue, peer } = await field.alone(errors);
    const gate = new Deferred<string>();
    let runs = 0;
    queue.registerCallback('x', () => {
      runs += 1;
      return gate.promise;
    });
    queue.start();
    for (let i = 0; i < 3; i += 1) void peer.send(encodeRequest(5, 'x', new Uint8Array(0)));
    await until(() => errors.heard.length === 2);
    for (const { error } of errors.heard) expect(error).toMatchObject({ code: 'K4NET_MALFORMED' });
    gate.resolve('once');
    expect(await control(peer)).toMatchObject({ type: 'answer', id: 5 });
    void peer.send(encodeRequest(5, 'x', new Uint8Array(0)));
    expect(await control(peer)).toMatchObject({ type: 'answer', id: 5 });
    expect(runs).toBe(2);
  });

  it('by malformed replies ends only the calls that they name', async () => {
    const errors = new Errors();
    const { queue, peer } = await field.alone(errors);
    queue.start();
    const calls = [queue.call('a'), queue.call('b')];
    expect([await control(peer), await control(peer)]).toMatchObject([{ id: 1 }, { id: 2 }]);
    void peer.send(hex('00 4b 51 03 01000000 05 41'));
    await failureOf(calls[0]!, MalformedError);
    expect(errors.kinds).toEqual(['control ']);
    void peer.send(encodeAnswer(1, bytesOf('late')));
    void peer.send(encodeAnswer(2, bytesOf('right')));
    expect(textIn(await calls[1]!)).toBe('right');
    expect(errors.heard.length).toBe(1);
  });

  it.each([
    '00 4b 51',
    '00 4b 51 09 00000000',
    '00 4b 51 05 00',
    '00 4b 51 01 01000000 ff 00',
    '00 4b 51 04 01',
  ])('by %s is reported without another effect', async (bytes) => {
    const errors = new Errors();
    const { queue, peer } = await field.alone(errors);
    queue.start();
    void peer.send(hex(bytes));
    void peer.send('after');
    expect(textOf(await queue.recv())).toBe('after');
    expect(errors.kinds).toEqual(['control ']);
    expect((errors.heard[0]?.error as MalformedError).data).toEqual(hex(bytes));
    expect(queue.stats()).toMatchObject({ messagesSent: 0, requestsInFlight: 0 });
  });
});

describe('QueueSocket: malformed control messages', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it('are reported up to the 32nd, which ends the connection', async () => {
    const errors = new Errors();
    const { queue, peer } = await field.alone(errors);
    queue.start();
    const call = watch(queue.call('x'));
    for (let i = 0; i < 31; i += 1) void peer.send(hex('00 4b 51 09 00000000'));
    void peer.send('still here');
    expect(textOf(await queue.recv())).toBe('still here');
    expect([errors.heard.length, queue.readyState]).toEqual([31, 'open']);
    for (let i = 0; i < 1000; i += 1) void peer.send(hex('00 4b 51 09 00000000'));
    const { code, error } = await queue.closed;
    expect(code).toBe('K4NET_MALFORMED');
    expect(error?.message).toContain('32 malformed control messages');
    expect(errors.heard.length).toBe(32);
    await failure(queue.recv(), 'K4NET_MALFORMED');
    expect(call.reason).toBe(error);
  });
});

describe('QueueSocket: limits', () => {
  const field = new QueueField();
  afterEach(() => field.clear());
  const limits = { maxQueuedBytes: 4000, maxQueuedMessages: 1000 };
  const sockets = { recvSize: 4000, highWaterMark: 4000 };

  /** Sends until the peer makes it wait. */
  async function flood(send: (nth: number) => Promise<void>): Promise<number> {
    for (let sent = 0; ; sent += 1) {
      const last = watch(send(sent));
      for (let i = 0; i < 100 && last.state === 'pending'; i += 1) await turns();
      if (last.state === 'pending') return sent + 1;
      expect(sent).toBeLessThan(10_000);
    }
  }

  it('backpressure: a full receive queue makes the peer wait, and no message is lost', async () => {
    const { near, far } = await field.started({ far: limits, sockets });
    const sent = await flood((nth) => near.send(pattern(500, nth)));
    expect(far.stats().receiveQueue.bytes).toBeLessThanOrEqual(4000 + 564);
    expect(far.stats().receiveQueue.messages).toBeGreaterThan(5);
    for (let i = 0; i < sent; i += 1) expect(same(await far.recv(), pattern(500, i))).toBe(true);
    expect(await far.recv({ block: false })).toBeUndefined();
  });

  it('backpressure: a receive queue full of empty messages makes the peer wait', async () => {
    const { far, near } = await field.started({ far: { maxQueuedMessages: 5 }, sockets });
    const sent = await flood(() => near.send(pattern(0)));
    expect(far.stats().receiveQueue).toEqual({ messages: 5, bytes: 320 });
    for (let i = 0; i < sent; i += 1) expect((await far.recv()).length).toBe(0);
  });

  it('backpressure: a full callback queue makes the peer wait, and no message is lost', async () => {
    const { near, far } = await field.started({ far: limits, sockets });
    const seen: Uint8Array[] = [];
    const gate = new Deferred<void>();
    far.registerCallback('x', (reader) => {
      seen.push(reader.read().slice());
      return gate.promise;
    });
    const sent = await flood((nth) => near.sendRegistered('x', pattern(500, nth)));
    expect(far.stats().callbackQueue.bytes).toBeLessThanOrEqual(4000 + 564);
    expect(seen.length).toBe(1);
    gate.resolve();
    await until(() => seen.length === sent);
    for (const [i, each] of seen.entries()) expect(same(each, pattern(500, i))).toBe(true);
  });

  it('backpressure: a full request queue makes a peer wait that ignores the flow window', async () => {
    const { queue, peer } = await field.alone({ ...limits, requestConcurrency: 2 }, sockets);
    const gate = new Deferred<void>();
    queue.registerCallback('x', async (reader) => {
      const bytes = reader.read();
      await gate.promise;
      return bytes;
    });
    queue.start();
    const sent = await flood((nth) => peer.send(encodeRequest(nth, 'x', pattern(500, nth))));
    expect(queue.stats().requestQueue.bytes).toBeLessThanOrEqual(4000 + 564);
    gate.resolve();
    const ids: number[] = [];
    for (let i = 0; i < sent; i += 1) {
      const answer = await control(peer);
      if (answer.type !== 'answer') return expect.fail(answer.type);
      expect(same(answer.payload, pattern(500, answer.id))).toBe(true);
      ids.push(answer.id);
    }
    expect(ids.sort((one, other) => one - other)).toEqual(Array.from({ length: sent }, (_, i) => i));
  });

  it('flow control: calls stay within the window, and all of them are answered', async () => {
    const { near, far } = await field.started({ near: limits, far: { dispatch: 'manual' }, sockets });
    far.registerCallback('x', (reader) => reader.read());
    const calls = Array.from({ length: 50 }, (_, i) => near.call('x', pattern(500, i)));
    let performed = 0;
    while (performed < 50) {
      await until(() => far.stats().requestQueue.messages > 0);
      expect(far.stats().requestQueue.bytes).toBeLessThanOrEqual(4000);
      performed += await far.recvRegistered();
    }
    for (const [i, call] of calls.entries()) expect(same((await call).read(), pattern(500, i))).toBe(true);
  });

  it('two sides that flood each other with calls do not deadlock', async () => {
    const { near, far } = await field.started({ near: limits, far: limits, sockets });
    for (const sock of [near, far]) sock.registerCallback('x', (reader) => reader.read());
    const calls = Array.from({ length: 600 }, (_, i) =>
      (i % 2 === 0 ? near : far).call('x', pattern(i * 10, i)),
    );
    for (const [i, call] of calls.entries()) expect(same((await call).read(), pattern(i * 10, i))).toBe(true);
  });

  it.each([
    ['a synchronous callback', 'sync'],
    ['an asynchronous callback', 'async'],
    ['no callback', 'nobody'],
  ])('a peer that reads no answers cannot fill the memory: %s', async (_, name) => {
    const { queue, peer } = await field.alone({ ...limits, requestConcurrency: 4 }, sockets);
    queue.registerCallback('sync', () => pattern(1000));
    queue.registerCallback('async', async () => {
      await turns();
      return pattern(1000);
    });
    queue.start();
    const sent = await flood((nth) => peer.send(encodeRequest(nth, name, pattern(500))));
    // What the wire holds in memory, what the socket may hold, and an answer for each callback that runs.
    expect(queue.bufferedAmount).toBeLessThanOrEqual(64 * 1024 + 4000 + 5 * 2000);
    expect(queue.stats().requestQueue.bytes).toBeLessThanOrEqual(4000 + 564);
    for (let i = 0; i < sent; i += 1) {
      expect((await control(peer)).type).toBe(name === 'nobody' ? 'failure' : 'answer');
    }
  });

  it('at most eight request callbacks start while the send queue is full, and the others when it has room', async () => {
    const { queue, peer } = await field.alone({ onError: () => undefined }, sockets);
    const gate = new Deferred<void>();
    queue.registerCallback('wait', () => gate.promise);
    queue.start();
    // These wait for the peer to read, so the send queue stays full.
    await fill(queue, pattern(1000), 4000);
    for (let id = 1; id <= 64; id += 1) void peer.send(encodeRequest(id, 'wait', new Uint8Array(0)));
    await until(() => queue.stats().requestsInFlight === 64);
    await turns(20);
    expect(queue.stats().callbacksRun).toBe(8);
    const reading = drain(peer);
    await until(() => queue.stats().callbacksRun === 64);
    gate.resolve();
    await until(() => queue.stats().requestsInFlight === 0);
    await queue.close();
    const types = (await reading).filter((each) => isControl(each)).map((each) => decodeControl(each).type);
    expect(types).toEqual(Array.from({ length: 64 }, () => 'answer'));
  });

  it('a request behind eight slow ones is answered while a steady stream of messages fills the send queue', async () => {
    const { queue, peer } = await field.alone({ onError: () => undefined }, sockets);
    const gate = new Deferred<void>();
    queue.registerCallback('slow', () => gate.promise);
    queue.registerCallback('quick', () => 'done');
    queue.start();
    let streaming = true;
    const stream = async (): Promise<void> => {
      while (streaming) await queue.send(pattern(1000));
    };
    // So many senders that others wait whenever one of them has room.
    const streams = Array.from({ length: 100 }, stream);
    for (let id = 1; id <= 8; id += 1) void peer.send(encodeRequest(id, 'slow', new Uint8Array(0)));
    void peer.send(encodeRequest(9, 'quick', new Uint8Array(0)));
    let answer: Uint8Array | undefined;
    for (let left = 20_000; !answer && left > 0; left -= 1) {
      const message = await peer.recv();
      if (isControl(message)) answer = message;
    }
    expect(answer && decodeControl(answer)).toMatchObject({ type: 'answer', id: 9 });
    streaming = false;
    gate.resolve();
    const rest = drain(peer);
    await Promise.all(streams);
    await queue.close();
    expect((await rest).filter((each) => isControl(each)).length).toBe(8);
  });

  it('one message of any size is accepted', async () => {
    const { near, far } = await field.started({ near: limits, far: limits });
    far.registerCallback('x', (reader) => reader.read());
    void near.send(pattern(100_000));
    void near.sendRegistered('x', pattern(100_000));
    expect((await far.recv()).length).toBe(100_000);
    expect((await near.call('x', pattern(100_000))).length).toBe(100_000);
  });

  it('stats has the fill levels of the queues', async () => {
    const { queue, peer } = await field.alone({ dispatch: 'manual' });
    queue.registerCallback('x', () => undefined);
    queue.start();
    void peer.send('raw');
    void peer.send('');
    void peer.send(registered('x', 'four'));
    void peer.send(encodeRequest(1, 'x', bytesOf('12345')));
    const call = watch(queue.call('y'));
    await until(() => queue.stats().requestQueue.messages === 1);
    expect(queue.stats()).toMatchObject({
      receiveQueue: { messages: 2, bytes: 3 + 128 },
      callbackQueue: { messages: 1, bytes: 4 + 64 },
      requestQueue: { messages: 1, bytes: 512 + 1 + 5 },
      callbacksRun: 0,
      callsInFlight: 1,
      requestsInFlight: 1,
      roundTripTime: undefined,
      messagesReceived: 4,
      messagesSent: 1,
    });
    await queue.recvRegistered();
    void peer.send(encodeAnswer(1, new Uint8Array(0)));
    await until(() => call.state === 'resolved');
    expect(queue.stats()).toMatchObject({
      callbackQueue: { messages: 0, bytes: 0 },
      requestQueue: { messages: 0, bytes: 0 },
      callbacksRun: 2,
      callbacksFailed: 0,
      callsInFlight: 0,
      requestsInFlight: 0,
    });
    expect(queue.stats().roundTripTime).toBeGreaterThanOrEqual(0);
  });
});

describe.each(queueCarriers)('QueueSocket, %s: a Buffer', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it('can be reused when call has returned', async () => {
    const { near, far } = await field.started({ near: { maxQueuedMessages: 1 } });
    far.registerCallback('echo', (reader) => reader.read().slice());
    for (const size of [4, 20_000]) {
      const buffer = Buffer.alloc(size, 1);
      const calls = [near.call('echo', buffer), near.call('echo', buffer)];
      buffer.fill(2);
      for (const call of calls) expect(same((await call).read(), Buffer.alloc(size, 1))).toBe(true);
    }
  });

  it('can be reused when its answer was returned', async () => {
    const { near, far } = await field.started();
    const buffer = Buffer.alloc(20_000, 1);
    far.registerCallback('buffer', () => {
      queueMicrotask(() => buffer.fill(2));
      return buffer;
    });
    expect(same((await near.call('buffer')).read(), Buffer.alloc(20_000, 1))).toBe(true);
  });
});
