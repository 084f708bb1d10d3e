import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { PayloadConstructor } from '../../lib/queue/call-types.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import { needDist } from '../support/dist.js';
import { listening } from '../support/streams.js';
import { recordStderr } from '../support/warnings.js';
import { Fixture, tcpKinds, useFixture, type SocketKind } from '../support/fixture.js';
import { failure, until, watch } from '../support/sockets.js';

beforeAll(needDist);

const program = fileURLToPath(new URL('programs/slow-peer.mjs', import.meta.url));
const KiB = 1024;

/** A queue connected to a peer in another process. */
interface Slow {
  readonly queue: QueueSocket;
  readonly child: ChildProcess;
}

/** @param gone - whether the network drops all bytes from now on. */
async function slowPeer(
  fixture: Fixture,
  kind: SocketKind,
  near: QueueSocketOptions,
  far: QueueSocketOptions = {},
  gone?: () => boolean,
): Promise<Slow> {
  const server: Server = createServer({ allowHalfOpen: true });
  const port = await listening(server, { port: 0, host: '127.0.0.1' });
  fixture.onCleanup(() => new Promise((resolve) => server.close(resolve)));
  const reached = gone ? (await fixture.relay(port, (unit) => (gone() ? [] : [unit]))).port : port;
  const accepted = once(server, 'connection');
  const child = spawn(
    process.execPath,
    ['--expose-gc', program, kind.split(' ')[0]!, `${reached}`, JSON.stringify(far)],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  recordStderr(child);
  const exited = once(child, 'exit');
  fixture.onCleanup(async () => {
    // SIGKILL also ends a process that is stopped.
    child.kill('SIGKILL');
    await exited;
  });
  const [stream] = (await accepted) as [Socket];
  const queue = new QueueSocket(fixture.socketOver(stream, 'server'), near);
  queue.start();
  return { queue, child };
}

interface Report {
  readonly next: number;
  readonly wrong: number;
  readonly most: { readonly messages: number; readonly bytes: number; readonly arrayBuffers: number };
}

async function report(queue: QueueSocket): Promise<Report> {
  const answer = await queue.call('report');
  return JSON.parse(new TextDecoder().decode(answer.read())) as Report;
}

describe.concurrent.each(tcpKinds)('a slow peer behind a fast sender, over sockets that are %s', (kind) => {
  const size = 8 * KiB;
  const count = 2500;
  // Well over the delays of a busy machine. The peer is busy for longer than its own timeout.
  const patience = 2000;
  const awayFor: PayloadConstructor = (writer) => {
    writer.writeUint(2400);
  };

  it('holds at most its limit in memory and makes the sender wait, gets every message in order, and is not ended by the heartbeat (backpressure)', async ({
    onTestFinished,
  }) => {
    const fixture = new Fixture(kind);
    onTestFinished(() => fixture.release());
    const { queue } = await slowPeer(
      fixture,
      kind,
      { heartbeat: { interval: 50, timeout: 30_000 }, callTimeout: Infinity },
      { heartbeat: { interval: 50, timeout: patience } },
    );
    const payload = new Uint8Array(size);
    let buffered = 0;
    for (let i = 0; i < count; i += 1) {
      if (i === 500) await queue.sendRegistered('block', awayFor);
      await queue.sendRegistered('work', (writer) => {
        writer.writeUint(i);
        writer.write(payload);
      });
      buffered = Math.max(buffered, queue.bufferedAmount);
    }
    let { next, wrong, most } = await report(queue);
    while (next < count) ({ next, wrong, most } = await report(queue));
    expect({ next, wrong }).toEqual({ next: count, wrong: 0 });
    // The limit and the message that goes over it; what the kernels hold is not ours.
    expect(buffered).toBeLessThanOrEqual(256 * KiB + 2 * size);
    expect(most.bytes).toBeLessThanOrEqual(1024 * KiB + 2 * size);
    expect(most.messages).toBeGreaterThan(50);
    // 20 MiB went through: far less than that was ever there at once.
    expect(most.arrayBuffers).toBeLessThan(8 * KiB * KiB);
    if (process.env['K4NET_SOAK_FIGURES']) console.log({ buffered, most });

    // The heartbeat also tolerates a busy peer when nothing waits to be sent.
    if (kind === 'plain over TCP') await queue.call('block', awayFor);
    expect(queue.readyState).toBe('open');
    await queue.close();
    expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
  }, 60_000);
});

describe('a slow callback', () => {
  const fixture = useFixture('plain over TCP');

  it('makes the sender wait and does not end the connection if it takes longer than both heartbeat timeouts', async () => {
    const heartbeat = { interval: 50, timeout: 1500 };
    const { near, far } = await fixture.queuePair({ near: { heartbeat }, far: { heartbeat } });
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    let seen = 0;
    far.registerCallback('work', async () => {
      await gate;
      seen += 1;
    });
    near.start();
    far.start();
    // Sends until nothing moves although both ends get turns.
    const payload = new Uint8Array(32 * KiB);
    let sent = 0;
    let last = watch(near.sendRegistered('work', payload));
    for (let still = 0; still < 500;) {
      if (last.state === 'pending') {
        const before = near.bufferedAmount;
        await setTimeout(0);
        still = near.bufferedAmount === before ? still + 1 : 0;
      } else {
        sent += 1;
        still = 0;
        last = watch(near.sendRegistered('work', payload));
      }
    }
    expect(last.state).toBe('pending');
    expect(near.bufferedAmount).toBeLessThan(512 * KiB);
    expect(far.stats().callbackQueue.bytes).toBeLessThan(1024 * KiB + 2 * payload.length);
    // The test shows that the connection survives this time.
    await setTimeout(1.5 * heartbeat.timeout);
    expect([near.readyState, far.readyState, last.state]).toEqual(['open', 'open', 'pending']);
    open();
    await until(() => seen === sent + 1);
    await Promise.all([near.close(), far.close()]);
  });
});

describe.concurrent('a heartbeat ends the connection to a peer that does not respond', () => {
  const timeout = 2000;
  const heartbeat = { interval: 100, timeout };
  /** Only a hang on a busy machine exceeds it. */
  const bound = 15_000;

  /** Expects that the socket times out and rejects every waiting promise with the same error. */
  async function expectGone(queue: QueueSocket, since: number, waiting: readonly Promise<unknown>[]) {
    const { code, error } = await queue.closed;
    expect(code).toBe('K4NET_TIMEOUT');
    for (const each of waiting) expect(await failure(each, 'K4NET_TIMEOUT')).toBe(error);
    await failure(queue.call('report'), 'K4NET_TIMEOUT');
    const took = performance.now() - since;
    expect(took).toBeGreaterThan(timeout - heartbeat.interval);
    expect(took).toBeLessThan(bound);
    expect(queue.stats()).toMatchObject({ callsInFlight: 0, sendQueue: 0 });
  }

  it.for(tcpKinds)(
    'if its process is stopped while its kernel still runs, %s',
    async (kind, { onTestFinished }) => {
      const fixture = new Fixture(kind);
      onTestFinished(() => fixture.release());
      const { queue, child } = await slowPeer(fixture, kind, { heartbeat, callTimeout: Infinity });
      await report(queue);
      const pending = Array.from({ length: 10 }, () => queue.call('never'));
      await queue.call('report');
      const since = performance.now();
      child.kill('SIGSTOP');
      await expectGone(queue, since, [...pending, queue.call('report'), queue.recv()]);
    },
  );

  it.for(tcpKinds)(
    'if its process is stopped while much data is in flight to it, %s',
    async (kind, { onTestFinished }) => {
      const fixture = new Fixture(kind);
      onTestFinished(() => fixture.release());
      const { queue, child } = await slowPeer(fixture, kind, { heartbeat, callTimeout: Infinity });
      await report(queue);
      child.kill('SIGSTOP');
      const since = performance.now();
      const payload = new Uint8Array(64 * KiB);
      // More than the buffers of both kernels hold.
      const sends = Array.from({ length: 400 }, () => queue.sendRegistered('work', payload));
      await expectGone(queue, since, [sends.at(-1)!, queue.call('never'), queue.flush()]);
    },
  );

  it.for(tcpKinds)('if the network drops all bytes, %s', async (kind, { onTestFinished }) => {
    const fixture = new Fixture(kind);
    onTestFinished(() => fixture.release());
    let gone = false;
    const { queue } = await slowPeer(fixture, kind, { heartbeat, callTimeout: Infinity }, {}, () => gone);
    await report(queue);
    const pending = queue.call('never');
    gone = true;
    await expectGone(queue, performance.now(), [pending, queue.call('report')]);
  });
});
