import { once } from 'node:events';
import { BroadcastChannel, MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { isMessagePort, MessagePortTransport } from '../../lib/transport/message-port.js';
import { describeTransport } from '../conformance/transport-suite.js';
import { needDist } from '../support/dist.js';
import { useFixture } from '../support/fixture.js';
import { pattern, same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { until, watch } from '../support/sockets.js';

// The workers run the built package.
beforeAll(needDist);

describeTransport(
  'a MessagePort',
  () => {
    const { port1, port2 } = new MessageChannel();
    const pair = { near: new MessagePortTransport(port1), far: new MessagePortTransport(port2) };
    return Promise.resolve(pair);
  },
  { halfClose: true, reset: true, inFlight: 256 * 1024 },
);

const fixture = useFixture();
const mib = 1024 * 1024;

/** A worker that runs a program with `parentPort`, and is terminated after the test. */
function worker(program: string): Worker {
  const url = new URL(`programs/${program}.mjs`, import.meta.url);
  const each = new Worker(url, {
    workerData: { library: new URL('../../dist/index.js', import.meta.url).href },
  });
  fixture.onCleanup(() => each.terminate());
  return each;
}

/** A transport over one end of a channel with its sink, and the other end. */
function withRawPeer(): { transport: MessagePortTransport; sink: RecordingSink; raw: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  // A port without a listener gets no close event either.
  port2.on('message', () => undefined);
  fixture.onCleanup(() => {
    port2.close();
  });
  const transport = new MessagePortTransport(port1);
  const sink = new RecordingSink();
  transport.attach(sink);
  return { transport, sink, raw: port2 };
}

describe('a socket between a worker and its parent', () => {
  it('carries 1 GiB with bounded memory', async () => {
    const total = 1024 * mib;
    const sock = fixture.keep(new LockedSocket(worker('counting-worker'), { allowHalfOpen: true }));
    const piece = new Uint8Array(mib);
    await sock.send(piece);
    const before = process.memoryUsage().rss;
    let most = before;
    for (let sent = piece.length; sent < total; sent += piece.length) {
      await sock.send(piece);
      most = Math.max(most, process.memoryUsage().rss);
    }
    await sock.end();
    expect(await sock.recvText()).toBe(String(total));
    // The worker is in this process: this is the memory of both sides.
    expect(most - before).toBeLessThan(256 * mib);
    expect((await sock.closed).code).toBe('K4NET_CLOSED');
  });

  it('makes a sender wait for a worker that stops reading', async () => {
    const highWaterMark = 64 * 1024;
    const sock = fixture.keep(new LockedSocket(worker('stopping-worker'), { highWaterMark }));
    expect(await sock.recvText()).toBe('ready');
    const sends = Array.from({ length: 512 }, () => sock.send(new Uint8Array(32 * 1024)));
    await turns(200);
    // A window of 1 MiB, the receive buffer of the worker, and the send queue.
    expect(sock.stats().bytesSent).toBeLessThan(4 * mib);
    await sock.close(undefined, { timeout: 0 }).catch(() => undefined);
    expect((await Promise.allSettled(sends)).at(-1)?.status).toBe('rejected');
  });

  it('leaves the worker running, and without listeners of the socket, when it closes', async () => {
    const each = worker('closing-worker');
    const sock = fixture.keep(new LockedSocket(each));
    expect(await sock.recvText()).toBe('over the socket');
    await sock.close();
    for (const event of ['message', 'messageerror', 'error', 'exit', 'close']) {
      expect(each.listenerCount(event), event).toBe(0);
    }
    const answer = watch(once(each, 'message'));
    // The socket of the worker may close a little later, and until then it drops messages.
    await until(() => {
      each.postMessage('still there?');
      return answer.state === 'resolved';
    });
    expect(answer.value).toEqual(['yes']);
  });

  it('closes with K4NET_CONNECTION when the worker exits', async () => {
    const each = worker('stopping-worker');
    const sock = fixture.keep(new LockedSocket(each));
    await sock.recv();
    await each.terminate();
    const { error } = await sock.closed;
    expect(error?.code).toBe('K4NET_CONNECTION');
    expect(error?.message).toBe('the worker exited with code 1');
  });

  it('closes with the error of a worker that throws', async () => {
    const each = worker('throwing-worker');
    const sock = fixture.keep(new LockedSocket(each));
    const { error } = await sock.closed;
    expect(error?.message).toBe('the worker failed: thrown in the worker');
    expect(error?.cause).toBeInstanceOf(Error);
  });
});

describe('a peer of a MessagePort that breaks the rules', () => {
  it.each<[string, unknown]>([
    ['text', 'a text'],
    ['nothing', undefined],
    ['an object', {}],
    ['a view', new Uint8Array(2)],
    ['shared memory', new SharedArrayBuffer(2)],
    ['an empty buffer', new ArrayBuffer(0)],
    ['more data than credit', new ArrayBuffer(1 + 65_537)],
  ])('ends the connection with a reset after %s', async (_name, message) => {
    const { sink, raw } = withRawPeer();
    const last = once(raw, 'message');
    raw.postMessage(message);
    await sink.untilClose();
    expect(sink.cause?.code).toBe('K4NET_MALFORMED');
    expect((await last)[0]).toEqual(Uint8Array.of(3, 1).buffer);
  });
});

describe('MessagePortTransport', () => {
  it('transfers a buffer of its own and leaves the bytes of the caller alone', async () => {
    const { transport, raw } = withRawPeer();
    const bytes = pattern(1000);
    const received = once(raw, 'message');
    transport.write([bytes]);
    const [data] = (await received) as [ArrayBuffer];
    expect(same(new Uint8Array(data, 1), bytes)).toBe(true);
    expect(same(bytes, pattern(1000))).toBe(true);
  });

  it('closes the port when both directions have ended', async () => {
    const { transport, sink, raw } = withRawPeer();
    const closed = once(raw, 'close');
    transport.end();
    raw.postMessage(Uint8Array.of(2).buffer);
    await sink.untilClose();
    expect(sink.cause).toBeUndefined();
    await closed;
  });

  it.each<[string, (port: MessagePort, other: MessagePort, third: MessagePort) => void]>([
    [
      'closed',
      (port) => {
        port.close();
      },
    ],
    [
      'closed at the other side',
      (_, other) => {
        other.close();
      },
    ],
    [
      'transferred',
      (port, _, third) => {
        third.postMessage(port, [port]);
      },
    ],
  ])('closes with K4NET_CONNECTION over a port that was %s before', async (_, spoil) => {
    const { port1, port2 } = new MessageChannel();
    const { port1: third, port2: fourth } = new MessageChannel();
    spoil(port1, port2, third);
    await turns(5);
    const sock = new LockedSocket(port1);
    expect(await sock.closed).toMatchObject({ code: 'K4NET_CONNECTION' });
    for (const each of [port2, third, fourth]) each.close();
  });

  it('keeps an open port whose owner had let the process exit', async () => {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', () => undefined);
    port1.unref();
    const [near, far] = [new LockedSocket(port1), new LockedSocket(port2)];
    await near.send('hello');
    expect(await far.recvText()).toBe('hello');
    await Promise.all([near.close(), far.close()]);
  });

  it('closes with K4NET_CONNECTION when the peer closes its port', async () => {
    const { sink, raw } = withRawPeer();
    raw.close();
    await sink.untilClose();
    expect(sink.cause?.message).toBe('the peer closed the port');
  });
});

describe('isMessagePort', () => {
  it('tells ports and workers from what only looks like them', () => {
    const { port1 } = new MessageChannel();
    const channel = new BroadcastChannel('a channel');
    fixture.onCleanup(() => {
      port1.close();
      channel.close();
    });
    expect(isMessagePort(port1)).toBe(true);
    expect(isMessagePort(worker('stopping-worker').on('error', () => undefined))).toBe(true);
    expect(isMessagePort(channel)).toBe(false);
    expect(isMessagePort({ postMessage: () => undefined })).toBe(false);
    expect(isMessagePort(globalThis)).toBe(false);
    expect(isMessagePort(null)).toBe(false);
  });
});
