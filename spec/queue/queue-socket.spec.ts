import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { TimeoutError, TooLargeError } from '../../lib/errors.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { networkHandles, socketKinds, useFixture } from '../support/fixture.js';
import { hex } from '../support/queue.js';
import { failure, failureOf, reasonOf, textOf, until, watch } from '../support/sockets.js';

describe('QueueSocket: recv', () => {
  const fixture = useFixture();

  it('rejects before start, like recvRegistered and call, and changes nothing', async () => {
    const { near, far } = await fixture.queuePair({ near: { unmatched: 'queue' } });
    await failure(far.recv(), 'K4NET_STATE');
    await failure(far.recv({ block: false }), 'K4NET_STATE');
    await failure(far.recvRegistered(), 'K4NET_STATE');
    await failure(far.call('x'), 'K4NET_STATE');
    await failure(far[Symbol.asyncIterator]().next(), 'K4NET_STATE');
    void far.send('sending needs none');
    void far.sendRegistered('x');
    near.start();
    expect(textOf(await near.recv())).toBe('sending needs none');
    expect(textOf(await near.recv())).toBe('x\0');
  });

  it('throws at a second start', async () => {
    const { near } = await fixture.queuePair();
    near.start();
    expect(() => {
      near.start();
    }).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
  });

  it('does not wait with block: false', async () => {
    const { near, far } = await fixture.startedQueuePair();
    expect(await far.recv({ block: false })).toBeUndefined();
    void near.send('x');
    await until(() => far.stats().receiveQueue.messages === 1);
    expect(textOf(await far.recv({ block: false }))).toBe('x');
    expect(await far.recv({ block: false })).toBeUndefined();
    await near.close();
    await far.closed;
    await failure(far.recv({ block: false }), 'K4NET_CLOSED');
  });

  it('keeps a message over its maxSize for the next recv', async () => {
    const { near, far } = await fixture.startedQueuePair();
    void near.send(pattern(10));
    const error = await failureOf(far.recv({ maxSize: 9 }), TooLargeError);
    expect([error.size, error.limit]).toEqual([10, 9]);
    await failureOf(far.recv({ maxSize: 9, block: false }), TooLargeError);
    expect((await far.recv({ maxSize: 10 })).length).toBe(10);
    expect(far.readyState).toBe('open');
  });

  it('rejects after its timeout and loses no message', async () => {
    const { near, far } = await fixture.startedQueuePair();
    await failureOf(far.recv({ timeout: 0 }), TimeoutError);
    expect((await failureOf(far.recv({ timeout: 5 }), TimeoutError)).timeout).toBe(5);
    void near.send('x');
    expect(textOf(await far.recv({ timeout: 2 ** 40 }))).toBe('x');
  });

  it('rejects when its signal aborts and removes its listener', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = [far.recv({ signal }), far.recv({ signal, timeout: 60_000 })];
    const patient = far.recv();
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    controller.abort('enough');
    for (const each of waiting) expect(await reasonOf(each)).toBe('enough');
    expect(await reasonOf(far.recv({ signal }))).toBe('enough');
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    void near.send('x');
    expect(textOf(await patient)).toBe('x');
  });

  it('gives messages to pending calls in order', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const waiting = Array.from({ length: 20 }, () => far.recv());
    for (let i = 0; i < 20; i += 1) void near.send(`${i}`);
    expect((await Promise.all(waiting)).map(textOf)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  it('ends its loop when the peer has ended', async () => {
    const { near, far } = await fixture.startedQueuePair();
    void near.send('1');
    void near.send('2');
    void near.close('3');
    const seen: string[] = [];
    for await (const message of far) seen.push(textOf(message));
    expect(seen).toEqual(['1', '2', '3']);
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('throws in its loop when the connection fails', async () => {
    const { far, cut } = await fixture.startedQueuePair();
    const loop = async (): Promise<void> => {
      for await (const message of far) expect.fail(textOf(message));
    };
    const looping = watch(loop());
    await turns(2);
    cut();
    await until(() => looping.state !== 'pending');
    expect(looping.reason).toMatchObject({ code: 'K4NET_CONNECTION' });
  });

  it('continues after a loop ends with break, without a lost message', async () => {
    const { near, far } = await fixture.startedQueuePair();
    for (const text of ['1', '2', '3']) void near.send(text);
    for await (const message of far) {
      expect(textOf(message)).toBe('1');
      break;
    }
    expect(far.readyState).toBe('open');
    expect(textOf(await far.recv())).toBe('2');
    for await (const message of far) {
      expect(textOf(message)).toBe('3');
      break;
    }
  });

  it.each([
    [{ blok: true }, TypeError],
    [{ block: 1 }, TypeError],
    [{ timeout: -1 }, RangeError],
    [{ timeout: NaN }, RangeError],
    [{ maxSize: -1 }, RangeError],
    [{ signal: 'x' }, TypeError],
    [null, TypeError],
  ])('rejects the options %j', async (options, type) => {
    const { far } = await fixture.startedQueuePair();
    expect(await reasonOf(far.recv(options as never))).toBeInstanceOf(type);
  });
});

describe('QueueSocket: send', () => {
  const fixture = useFixture();

  it('rejects a message that begins like a control message, and sends nothing', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    for (const bytes of ['00 4b 51', '00 4b 51 05', '00 4b 51 01 00000000 61 00', '00 4b 51 ff ff']) {
      expect(await reasonOf(queue.send(hex(bytes)))).toBeInstanceOf(RangeError);
      expect(await reasonOf(queue.close(hex(bytes)))).toBeInstanceOf(RangeError);
    }
    expect(await reasonOf(queue.send('\0KQ'))).toBeInstanceOf(RangeError);
    for (const bytes of ['', '00', '00 4b', '00 4b 52', 'ff 00 4b 51']) {
      await queue.send(hex(bytes));
      expect(same(await peer.recv(), hex(bytes))).toBe(true);
    }
    expect(queue.stats().messagesSent).toBe(5);
  });

  it('accepts bytes, text and constructors only', async () => {
    const { queue } = await fixture.queueWithPeer();
    for (const wrong of [1, null, {}, [1], new ArrayBuffer(1), true, new Uint16Array(1)]) {
      expect(await reasonOf(queue.send(wrong as never))).toBeInstanceOf(TypeError);
      expect(await reasonOf(queue.sendRegistered('x', wrong as never))).toBeInstanceOf(TypeError);
    }
    expect(await reasonOf(queue.send(undefined as never))).toBeInstanceOf(TypeError);
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('rejects with the error of a constructor, and rejects an asynchronous constructor', async () => {
    const { queue } = await fixture.queueWithPeer();
    const broken = new Error('broken');
    const reason = queue.sendRegistered('x', () => {
      throw broken;
    });
    expect(await reasonOf(reason)).toBe(broken);
    expect(await reasonOf(queue.sendRegistered('x', (): unknown => turns()))).toBeInstanceOf(TypeError);
    // Nothing awaits it, so its rejection would end the process.
    expect(await reasonOf(queue.sendRegistered('x', (): unknown => Promise.reject(broken)))).toBeInstanceOf(
      TypeError,
    );
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('accepts a signal and rejects unknown options', async () => {
    const { queue } = await fixture.queueWithPeer();
    const signal = AbortSignal.abort('enough');
    expect(await reasonOf(queue.send('x', { signal }))).toBe('enough');
    expect(await reasonOf(queue.sendRegistered('x', 'y', { signal }))).toBe('enough');
    expect(await reasonOf(queue.send('x', { timeout: 1 } as never))).toBeInstanceOf(TypeError);
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('waits while the send queue is full', async () => {
    const { near, far } = await fixture.queuePair({
      far: { unmatched: 'queue' },
      sockets: { highWaterMark: 2000, recvSize: 2000 },
    });
    let sent = 0;
    let last = watch(near.sendRegistered('x', pattern(10_000)));
    for (;;) {
      await turns(20);
      if (last.state === 'pending') break;
      sent += 1;
      last = watch(near.sendRegistered('x', pattern(10_000)));
    }
    expect(near.stats().sendQueue).toBeGreaterThanOrEqual(2000);
    far.start();
    for (let i = 0; i <= sent; i += 1) expect((await far.recv()).length).toBe(10_002);
    await until(() => last.state === 'resolved');
    await near.flush({ timeout: 10_000 });
    expect(near.bufferedAmount).toBe(0);
  });
});

describe('QueueSocket: tasks', () => {
  const fixture = useFixture();

  it('are sent in the order of their registration', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    await queue.performTasks();
    expect(queue.stats().messagesSent).toBe(0);
    let round = 0;
    for (const name of ['c', 'a', 'b']) {
      queue.registerTask(name, (writer) => {
        writer.write(Buffer.from(`${name}${round}`));
      });
    }
    for (round = 1; round <= 2; round += 1) {
      await queue.performTasks();
      for (const name of ['c', 'a', 'b']) expect(textOf(await peer.recv())).toBe(`${name}\0${name}${round}`);
    }
    queue.removeTask('a');
    queue.removeTask('never was');
    queue.registerTask('d', () => undefined);
    await queue.performTasks();
    for (const text of ['c\0c3', 'b\0b3', 'd\0']) expect(textOf(await peer.recv())).toBe(text);
  });

  it('end performTasks if they throw or are asynchronous', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const broken = new Error('broken');
    queue.registerTask('a', () => undefined);
    queue.registerTask('b', () => {
      throw broken;
    });
    queue.registerTask('c', () => undefined);
    expect(await reasonOf(queue.performTasks())).toBe(broken);
    queue.registerTask('b', (): unknown => Promise.reject(broken));
    expect(await reasonOf(queue.performTasks())).toBeInstanceOf(TypeError);
    queue.removeTask('b');
    await queue.performTasks();
    for (const text of ['a\0', 'a\0', 'a\0', 'c\0']) expect(textOf(await peer.recv())).toBe(text);
    expect(queue.stats().messagesSent).toBe(4);
  });

  it('are not sent when the socket is gone', async () => {
    const { queue } = await fixture.queueWithPeer();
    queue.registerTask('a', () => undefined);
    await queue.close(undefined, { timeout: 0 });
    await failure(queue.performTasks(), 'K4NET_CLOSED');
  });
});

describe.each(socketKinds)('QueueSocket, %s: the socket below', (carrier) => {
  const fixture = useFixture(carrier);

  it('rejects send and recv of its own', async () => {
    const { near: sock } = await fixture.socketPair();
    const queue = new QueueSocket(sock);
    await failure(sock.send('x'), 'K4NET_STATE');
    await failure(sock.recv(), 'K4NET_STATE');
    await failure(sock.recv({ timeout: 0 }), 'K4NET_STATE');
    await failure(sock.recv(10, 10), 'K4NET_STATE');
    await failure(sock.recvText(), 'K4NET_STATE');
    await failure(sock.end(), 'K4NET_STATE');
    expect(() => sock.tryRecv()).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    expect(() => sock.trySend('x')).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    const loop = async (messages: AsyncIterable<unknown>): Promise<void> => {
      for await (const message of messages) expect.fail(String(message));
    };
    await failure(loop(sock), 'K4NET_STATE');
    await failure(loop(sock.texts()), 'K4NET_STATE');
    await failure(loop(sock.batches()), 'K4NET_STATE');
    expect(queue.readyState).toBe('open');
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('keeps flush, stats, addresses, close and closed', async () => {
    const { near: sock, far: peer } = await fixture.socketPair();
    const { remoteAddress, localAddress } = sock;
    const queue = new QueueSocket(sock);
    queue.start();
    expect([queue.remoteAddress, queue.localAddress]).toEqual([remoteAddress, localAddress]);
    await queue.send('x');
    await sock.flush();
    expect(sock.stats().messagesSent).toBe(1);
    expect(textOf(await peer.recv())).toBe('x');
    const waiting = watch(queue.recv());
    const closing = sock.close();
    await failure(peer.recv(), 'K4NET_CLOSED');
    await peer.close();
    await closing;
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
    await until(() => waiting.state !== 'pending');
    expect(waiting.reason).toMatchObject({ code: 'K4NET_CLOSED' });
    expect(queue.readyState).toBe('closed');
  });

  it('can have one owner only, and no pending recv', async () => {
    const { near, far } = await fixture.socketPair();
    const queue = new QueueSocket(near);
    expect(() => new QueueSocket(near)).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    const waiting = far.recv();
    expect(() => new QueueSocket(far)).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    void queue.send('x');
    expect(textOf(await waiting)).toBe('x');
    expect(new QueueSocket(far).readyState).toBe('open');
  });

  it('can have been used before, and passes on the messages that it has read', async () => {
    const { near, far } = await fixture.socketPair();
    void near.send('for the socket');
    void near.send('for the queue');
    expect(textOf(await far.recv())).toBe('for the socket');
    const queue = new QueueSocket(far);
    queue.start();
    expect(textOf(await queue.recv())).toBe('for the queue');
  });

  it('keeps the process alive with ref and not with unref', async () => {
    const { near } = await fixture.queuePair();
    const before = networkHandles();
    expect(near.unref()).toBe(near);
    expect(networkHandles()).toBe(carrier.endsWith('TCP') ? before - 1 : before);
    expect(near.ref()).toBe(near);
    expect(networkHandles()).toBe(before);
  });
});

describe('QueueSocket: options', () => {
  const fixture = useFixture();

  it.each([
    [{ dispach: 'auto' }, TypeError, "'dispach'"],
    [{ heartbeat: { every: 1 } }, TypeError, "'every'"],
    [{ dispatch: 'sometimes' }, TypeError, "'sometimes'"],
    [{ unmatched: 'ignore' }, TypeError, "'ignore'"],
    [{ debug: 1 }, TypeError, 'debug'],
    [{ logger: {} }, TypeError, 'logger'],
    [{ onError: 'x' }, TypeError, 'onError'],
    [{ onClose: 1 }, TypeError, 'onClose'],
    [{ onTimeout: [] }, TypeError, 'onTimeout'],
    [{ concurrency: 0 }, RangeError, 'concurrency'],
    [{ concurrency: 1.5 }, RangeError, 'concurrency'],
    [{ requestConcurrency: 0 }, RangeError, 'requestConcurrency'],
    [{ callTimeout: -1 }, RangeError, 'callTimeout'],
    [{ callTimeout: NaN }, RangeError, 'callTimeout'],
    [{ idleTimeout: -1 }, RangeError, 'idleTimeout'],
    [{ maxQueuedBytes: 0 }, RangeError, 'maxQueuedBytes'],
    [{ maxQueuedMessages: -1 }, RangeError, 'maxQueuedMessages'],
    [{ heartbeat: { interval: 0 } }, RangeError, 'interval'],
    [{ heartbeat: { timeout: 0 } }, RangeError, 'timeout'],
    [{ heartbeat: { interval: NaN } }, RangeError, 'interval'],
    [null, TypeError, 'null'],
  ])('throw for %j, and the socket stays without an owner', async (options, type, words) => {
    const { near } = await fixture.socketPair();
    const make = (): QueueSocket => new QueueSocket(near, options as never);
    expect(make).toThrow(type);
    expect(make).toThrow(words);
    await near.send('x');
    expect(new QueueSocket(near).readyState).toBe('open');
  });

  it.each([undefined, null, 1, {}, new Uint8Array(1)])('throw a TypeError for the socket %o', (socket) => {
    expect(() => new QueueSocket(socket as never)).toThrow(TypeError);
  });
});
