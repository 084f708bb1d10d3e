import { describe, expect, it } from 'vitest';
import { MalformedError } from '../../lib/errors.js';
import { isControl } from '../../lib/queue/envelope.js';
import { Deferred } from '../../lib/util/wait.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import {
  bytesOf,
  decodeControl,
  encodeAnswer,
  encodeRequest,
  ErrorLog,
  hex,
  recvControl,
  registered,
  textIn,
} from '../support/queue.js';
import { failure, failureOf, fill, receiveAll, textOf, until, watch } from '../support/sockets.js';

describe('QueueSocket: a peer that violates the protocol', () => {
  const fixture = useFixture();

  it('is reported and gets one answer if it repeats the id of an unanswered request', async () => {
    const errors = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer(errors);
    const gate = new Deferred<string>();
    let runs = 0;
    queue.registerCallback('x', () => {
      runs += 1;
      return gate.promise;
    });
    queue.start();
    for (let i = 0; i < 3; i += 1) void peer.send(encodeRequest(5, 'x', new Uint8Array(0)));
    await until(() => errors.entries.length === 2);
    for (const { error } of errors.entries) expect(error).toMatchObject({ code: 'K4NET_MALFORMED' });
    gate.resolve('once');
    expect(await recvControl(peer)).toMatchObject({ type: 'answer', id: 5 });
    void peer.send(encodeRequest(5, 'x', new Uint8Array(0)));
    expect(await recvControl(peer)).toMatchObject({ type: 'answer', id: 5 });
    expect(runs).toBe(2);
  });

  it('fails only the calls that its malformed replies name', async () => {
    const errors = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer(errors);
    queue.start();
    const calls = [queue.call('a'), queue.call('b')];
    expect([await recvControl(peer), await recvControl(peer)]).toMatchObject([{ id: 1 }, { id: 2 }]);
    void peer.send(hex('00 4b 51 03 01000000 05 41'));
    await failureOf(calls[0]!, MalformedError);
    expect(errors.kinds).toEqual(['control ']);
    void peer.send(encodeAnswer(1, bytesOf('late')));
    void peer.send(encodeAnswer(2, bytesOf('right')));
    expect(textIn(await calls[1]!)).toBe('right');
    expect(errors.entries.length).toBe(1);
  });

  it.each([
    '00 4b 51',
    '00 4b 51 09 00000000',
    '00 4b 51 05 00',
    '00 4b 51 01 01000000 ff 00',
    '00 4b 51 04 01',
  ])('is reported, without another effect, for the bytes %s', async (bytes) => {
    const errors = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer(errors);
    queue.start();
    void peer.send(hex(bytes));
    void peer.send('after');
    expect(textOf(await queue.recv())).toBe('after');
    expect(errors.kinds).toEqual(['control ']);
    expect((errors.entries[0]?.error as MalformedError).data).toEqual(hex(bytes));
    expect(queue.stats()).toMatchObject({ messagesSent: 0, requestsInFlight: 0 });
  });
});

describe('QueueSocket: malformed control messages', () => {
  const fixture = useFixture();

  it('are reported up to the 32nd, which ends the connection', async () => {
    const errors = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer(errors);
    queue.start();
    const call = watch(queue.call('x'));
    for (let i = 0; i < 31; i += 1) void peer.send(hex('00 4b 51 09 00000000'));
    void peer.send('still here');
    expect(textOf(await queue.recv())).toBe('still here');
    expect([errors.entries.length, queue.readyState]).toEqual([31, 'open']);
    for (let i = 0; i < 1000; i += 1) void peer.send(hex('00 4b 51 09 00000000'));
    const { code, error } = await queue.closed;
    expect(code).toBe('K4NET_MALFORMED');
    expect(error?.message).toContain('32 malformed control messages');
    expect(errors.entries.length).toBe(32);
    await failure(queue.recv(), 'K4NET_MALFORMED');
    expect(call.reason).toBe(error);
  });
});

describe('QueueSocket: limits', () => {
  const fixture = useFixture();

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

  it('make the peer wait at a full receive queue, and no message is lost (backpressure)', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: limits, sockets });
    const sent = await flood((nth) => near.send(pattern(500, nth)));
    expect(far.stats().receiveQueue.bytes).toBeLessThanOrEqual(4000 + 564);
    expect(far.stats().receiveQueue.messages).toBeGreaterThan(5);
    for (let i = 0; i < sent; i += 1) expect(same(await far.recv(), pattern(500, i))).toBe(true);
    expect(await far.recv({ block: false })).toBeUndefined();
  });

  it('make the peer wait at a receive queue full of empty messages (backpressure)', async () => {
    const { far, near } = await fixture.startedQueuePair({ far: { maxQueuedMessages: 5 }, sockets });
    const sent = await flood(() => near.send(pattern(0)));
    expect(far.stats().receiveQueue).toEqual({ messages: 5, bytes: 320 });
    for (let i = 0; i < sent; i += 1) expect((await far.recv()).length).toBe(0);
  });

  it('make the peer wait at a full callback queue, and no message is lost (backpressure)', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: limits, sockets });
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

  it('make a peer that ignores the flow window wait at a full request queue (backpressure)', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ ...limits, requestConcurrency: 2 }, sockets);
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
      const answer = await recvControl(peer);
      if (answer.type !== 'answer') return expect.fail(answer.type);
      expect(same(answer.payload, pattern(500, answer.id))).toBe(true);
      ids.push(answer.id);
    }
    expect(ids.sort((one, other) => one - other)).toEqual(Array.from({ length: sent }, (_, i) => i));
  });

  it('keep calls within the window, and all of them are answered (flow control)', async () => {
    const { near, far } = await fixture.startedQueuePair({
      near: limits,
      far: { dispatch: 'manual' },
      sockets,
    });
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

  it('do not deadlock two sides that flood each other with calls', async () => {
    const { near, far } = await fixture.startedQueuePair({ near: limits, far: limits, sockets });
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
  ])('bound memory when a peer does not read its answers: %s', async (_, name) => {
    const { queue, peer } = await fixture.queueWithPeer({ ...limits, requestConcurrency: 4 }, sockets);
    queue.registerCallback('sync', () => pattern(1000));
    queue.registerCallback('async', async () => {
      await turns();
      return pattern(1000);
    });
    queue.start();
    const sent = await flood((nth) => peer.send(encodeRequest(nth, name, pattern(500))));
    // The bytes in flight, the limit of the socket, and one answer for each running callback.
    expect(queue.bufferedAmount).toBeLessThanOrEqual(64 * 1024 + 4000 + 5 * 2000);
    expect(queue.stats().requestQueue.bytes).toBeLessThanOrEqual(4000 + 564);
    for (let i = 0; i < sent; i += 1) {
      expect((await recvControl(peer)).type).toBe(name === 'nobody' ? 'failure' : 'answer');
    }
  });

  it('start at most eight request callbacks while the send queue is full, and the others when it has room', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ onError: () => undefined }, sockets);
    const gate = new Deferred<void>();
    queue.registerCallback('wait', () => gate.promise);
    queue.start();
    // These wait for the peer to read, so the send queue stays full.
    await fill(queue, pattern(1000), 4000);
    for (let id = 1; id <= 64; id += 1) void peer.send(encodeRequest(id, 'wait', new Uint8Array(0)));
    await until(() => queue.stats().requestsInFlight === 64);
    await turns(20);
    expect(queue.stats().callbacksRun).toBe(8);
    const reading = receiveAll(peer);
    await until(() => queue.stats().callbacksRun === 64);
    gate.resolve();
    await until(() => queue.stats().requestsInFlight === 0);
    await queue.close();
    const types = (await reading).filter((each) => isControl(each)).map((each) => decodeControl(each).type);
    expect(types).toEqual(Array.from({ length: 64 }, () => 'answer'));
  });

  it('answer a request behind eight slow ones while a steady stream of messages fills the send queue', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ onError: () => undefined }, sockets);
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
    const rest = receiveAll(peer);
    await Promise.all(streams);
    await queue.close();
    expect((await rest).filter((each) => isControl(each)).length).toBe(8);
  });

  it('accept one message of any size', async () => {
    const { near, far } = await fixture.startedQueuePair({ near: limits, far: limits });
    far.registerCallback('x', (reader) => reader.read());
    void near.send(pattern(100_000));
    void near.sendRegistered('x', pattern(100_000));
    expect((await far.recv()).length).toBe(100_000);
    expect((await near.call('x', pattern(100_000))).length).toBe(100_000);
  });

  it('are visible as the fill levels of the queues in stats', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ dispatch: 'manual' });
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
