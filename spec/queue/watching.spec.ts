import { describe, expect, it } from 'vitest';
import type { QueueSocketLike } from '../../lib/queue/types.js';
import { Deferred } from '../../lib/util/wait.js';
import { turns } from '../support/recorder.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { ErrorLog, decodeControl, hex, registered } from '../support/queue.js';
import { failure, textOf, until, watch } from '../support/sockets.js';

describe.each(socketKinds)('QueueSocket, %s: heartbeat', (carrier) => {
  const fixture = useFixture(carrier);

  it('sends a keepalive when nothing was sent for its interval', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ heartbeat: { interval: 20, timeout: 60_000 } });
    queue.start();
    for (let i = 0; i < 3; i += 1) expect(decodeControl(await peer.recv())).toEqual({ type: 'keepalive' });
  });

  it('ends the connection of a silent peer', async () => {
    const { queue } = await fixture.queueWithPeer({ heartbeat: { interval: 10_000, timeout: 40 } });
    queue.start();
    const [recv, call] = [watch(queue.recv()), watch(queue.call('x'))];
    const { code, error } = await queue.closed;
    expect([code, error?.code]).toEqual(['K4NET_TIMEOUT', 'K4NET_TIMEOUT']);
    await until(() => recv.state !== 'pending' && call.state !== 'pending');
    expect(recv.reason).toMatchObject({ code: 'K4NET_TIMEOUT' });
    expect(call.reason).toMatchObject({ code: 'K4NET_TIMEOUT' });
  });

  it('keeps the connection of two idle peers open', async () => {
    const heartbeat = { interval: 10, timeout: 60_000 };
    const { near, far } = await fixture.startedQueuePair({ near: { heartbeat }, far: { heartbeat } });
    await until(() => near.stats().messagesSent > 3 && far.stats().messagesSent > 3);
    void near.send('x');
    expect(textOf(await far.recv())).toBe('x');
    expect(far.stats().receiveQueue.messages).toBe(0);
    expect([near.readyState, far.readyState]).toEqual(['open', 'open']);
  });
});

describe('QueueSocket: heartbeat and idle timeout', () => {
  const fixture = useFixture();

  it('start with start and end with the socket', async () => {
    const { queue, peer } = await fixture.queueWithPeer({ heartbeat: { interval: 5, timeout: 60_000 } });
    void queue.send('first');
    queue.start();
    expect(textOf(await peer.recv())).toBe('first');
    expect(decodeControl(await peer.recv())).toEqual({ type: 'keepalive' });
    await Promise.all([queue.close(), peer.close()]);
    const { messagesSent } = queue.stats();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(queue.stats().messagesSent).toBe(messagesSent);
  });

  it('treat a keepalive as no message and send no answer to it', async () => {
    const errors = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer(errors);
    queue.start();
    for (let i = 0; i < 5; i += 1) void peer.send(hex('00 4b 51 05'));
    void peer.send('x');
    expect(textOf(await queue.recv())).toBe('x');
    expect(errors.entries).toEqual([]);
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('call onTimeout and close the socket at the idle timeout, although keepalives arrive', async () => {
    const told: [QueueSocketLike, string][] = [];
    const onTimeout = (sock: QueueSocketLike): void => void told.push([sock, sock.readyState]);
    const { near, far } = await fixture.startedQueuePair({
      near: { heartbeat: { interval: 5, timeout: 60_000 } },
      far: { idleTimeout: 50, onTimeout },
    });
    const waiting = watch(far.recv());
    expect((await far.closed).code).toBe('K4NET_TIMEOUT');
    expect(told).toEqual([[far, 'open']]);
    await until(() => waiting.state === 'rejected');
    expect(waiting.reason).toMatchObject({ code: 'K4NET_TIMEOUT' });
    expect(near.stats().messagesSent).toBeGreaterThan(0);
    // The peer sees a clean end.
    await failure(near.recv(), 'K4NET_CLOSED');
  });

  it('accept a last message or a close from onTimeout', async () => {
    const { far, near } = await fixture.startedQueuePair({
      far: { idleTimeout: 20, onTimeout: (sock) => void sock.send('are you there?'), onClose: () => 'bye' },
    });
    expect(textOf(await near.recv())).toBe('are you there?');
    expect(textOf(await near.recv())).toBe('bye');
    expect((await far.closed).code).toBe('K4NET_TIMEOUT');
    const other = await fixture.startedQueuePair({
      far: { idleTimeout: 20, onTimeout: (sock) => void sock.close('too long') },
    });
    expect(textOf(await other.near.recv())).toBe('too long');
    await other.far.closed;
  });

  it.each([
    [
      'throws',
      (): unknown => {
        throw new Error('broken');
      },
    ],
    ['rejects', (): unknown => Promise.reject(new Error('broken'))],
  ])('an onTimeout that %s is reported, and the socket closes', async (_, onTimeout) => {
    const errors = new ErrorLog();
    const { far } = await fixture.startedQueuePair({
      far: { idleTimeout: 20, onTimeout, onError: errors.onError },
    });
    expect((await far.closed).code).toBe('K4NET_TIMEOUT');
    await turns();
    expect(errors.kinds).toEqual(['hook onTimeout']);
  });

  it('do not count idle time while messages of the peer wait in the queue', async () => {
    let idle = 0;
    const { queue, peer } = await fixture.queueWithPeer({
      idleTimeout: 20,
      maxQueuedMessages: 1,
      onTimeout: () => (idle += 1),
    });
    const gate = new Deferred<void>();
    queue.registerCallback('x', () => gate.promise);
    queue.start();
    for (let i = 0; i < 4; i += 1) void peer.send(registered('x'));
    await until(() => queue.stats().callbackQueue.messages === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([idle, queue.readyState]).toEqual([0, 'open']);
    gate.resolve();
    await until(() => idle === 1);
    expect([idle, queue.stats().callbacksRun]).toEqual([1, 4]);
  });
});
